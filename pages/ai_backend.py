"""AI back ends."""

import streamlit as st

st.title("AI back ends")

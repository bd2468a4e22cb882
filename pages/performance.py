"""Performance."""

import streamlit as st

st.title("Performance")

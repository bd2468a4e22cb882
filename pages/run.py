"""Process."""

import streamlit as st

st.title("Process")

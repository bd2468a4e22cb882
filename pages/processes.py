"""Processes."""

import streamlit as st

st.title("Processes")

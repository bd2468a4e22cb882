"""Logs."""

import streamlit as st

st.title("Logs")

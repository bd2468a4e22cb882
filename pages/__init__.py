"""The dashboard: one script a page, the frame around them, and the routes beside them."""

"""Home: what embedkit is, a card for each page, what is here and what can be fetched. No plotly on this page."""

import streamlit as st

from ui import home
from ui.frame import page

with page("embedkit", home.LEAD):
    for row in (home.CARDS[:3], home.CARDS[3:]):
        for column, card in zip(st.columns(3) if row else [], row, strict=False):
            with column:
                home.draw(card)
    home.offline()
    home.fetchable()

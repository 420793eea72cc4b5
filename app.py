"""embedkit, the app. `streamlit run app.py` imports this file once, as the server, and runs it for every visit."""

from pathlib import Path

import streamlit as st

from ui import server

if __name__ == "__main__":
    st.set_page_config("embedkit", str(Path(__file__).parent / "assets" / "icon.svg"), layout="wide")
    st.navigation(
        [
            st.Page("pages/home.py", title="Home", icon=":material/home:", default=True),
            st.Page("pages/words.py", title="Words", icon=":material/scatter_plot:", url_path="words"),
            st.Page("pages/contexts.py", title="Words in context", icon=":material/forum:", url_path="contexts"),
            st.Page("pages/images.py", title="Pictures", icon=":material/image:", url_path="images"),
            st.Page("pages/interactions.py", title="Users and items", icon=":material/group:", url_path="interactions"),
            st.Page(
                "pages/train_words.py", title="Train word vectors", icon=":material/stairs:", url_path="train-words"
            ),
            st.Page("pages/explorer.py", title="Explorer", icon=":material/travel_explore:", url_path="explorer"),
        ],
        position="top",
    ).run()
else:
    app = st.App(__file__, lifespan=server.lifespan, middleware=server.MIDDLEWARE)

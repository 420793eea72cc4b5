"""Take the README's pictures from the running app: `make run` in one shell, then this in another.

python docs/take_pictures.py [http://localhost:8501]
"""

import os
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parent / "pictures"
PAGES = {
    "home": ("/", 760),
    "words": ("/words", 1150),
    "contexts": ("/contexts", 1250),
    "images": ("/images", 1300),
    "interactions": ("/interactions", 1300),
    "explorer": ("/explorer?ex_pick=7+(7)&ex_draw=pictures", 1350),
    "train_words": ("/train-words?hand_step=8003", 1250),
}
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]


def main(base: str) -> None:
    """Save one picture a page."""
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
            args=[*FLAGS, "--disable-background-networking"],
        )
        for name, (path, height) in PAGES.items():
            page = browser.new_page(viewport={"width": 1280, "height": height})
            page.goto(base + path)
            page.wait_for_selector("[data-testid='stApp'][data-test-script-state='notRunning']")
            page.wait_for_timeout(4_000)  # figures draw after the script has ended
            page.screenshot(path=str(FOLDER / f"{name}.png"))
            page.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8501")

"""The demo page's samples, and the attacker on it."""

import httpx
import numpy as np
import pytest
from browsing import browser
from bundles import KEY, written
from serving import running, served

from vitcrypt.encryption import Proposed
from vitcrypt.encryption.array_encryption import ArrayEncryption
from vitcrypt.experiment.from_pairs import restored
from vitcrypt.service import Client
from vitcrypt.service.demo import create_demo, new_secret
from vitcrypt.service.limits import Limits


def test_who_holds_pairs_under_the_key_restores_a_picture_exactly():
    encryption = ArrayEncryption(Proposed(block_size=4), KEY, (3, 16, 16))
    secret = np.random.default_rng(0).integers(0, 256, (1, 3, 16, 16), np.uint8)
    ciphertext = encryption(secret, [0])[0]
    assert not np.array_equal(ciphertext, secret[0])
    found = restored(encryption.scheme, lambda images: encryption(images, range(len(images))), ciphertext)
    assert np.array_equal(found, secret[0])


@pytest.mark.slow
def test_a_sample_is_sent_and_attacked_at_the_widths_of_a_phone_and_a_desk(tmp_path):
    bundle, secret = written(tmp_path / "bundle"), new_secret()
    with served(bundle, Limits()) as url:
        client = Client(url, KEY, bundle.folder / "client.json")
        attacked = []
        page = create_demo(client, secret, lambda ciphertext: attacked.append(ciphertext) or 255 - ciphertext)
        with running(page, read_seconds=60) as port, browser(tmp_path / "profile") as driver:
            address = f"http://127.0.0.1:{port}/{secret}/"
            from selenium.webdriver.support.ui import WebDriverWait

            for width in (400, 1200):
                size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
                driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
                driver.get(address)
                driver.find_elements("css selector", "#samples button")[2].click()
                WebDriverWait(driver, 30).until(lambda d: d.find_elements("css selector", "#restored img"))
                assert driver.execute_script("return document.documentElement.scrollWidth") <= width
                assert len(driver.find_elements("css selector", "#top li")) == 5
            assert len(attacked) == 2
            assert np.array_equal(*attacked)
            faults = [entry for entry in driver.get_log("browser") if "favicon" not in entry["message"]]
            assert faults == []
        with running(create_demo(client, secret), read_seconds=60) as port:
            answer = httpx.post(f"http://127.0.0.1:{port}/{secret}/restored", content=b"any", trust_env=False)
            assert answer.status_code == 422

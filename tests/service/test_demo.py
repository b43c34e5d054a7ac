"""The demo page: in a real browser, and closed to all other pages."""

import io
import subprocess

import httpx
import pytest
from browsing import browser
from bundles import KEY, serving, written
from PIL import Image
from serving import running, served

from vitcrypt.service import Client
from vitcrypt.service.demo import create_demo, new_secret
from vitcrypt.service.graph import sample_images
from vitcrypt.service.limits import Limits


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The addresses of a service and of the page that asks it."""
    bundle, secret = written(tmp_path_factory.mktemp("demo") / "bundle"), new_secret()
    with served(bundle, Limits()) as url:
        client = Client(url, KEY, bundle.folder / "client.json")
        with running(create_demo(client, secret), read_seconds=60) as port:
            yield url, f"http://127.0.0.1:{port}/{secret}/"


@pytest.mark.slow
def test_a_picture_chosen_in_a_browser_is_shown_plain_encrypted_and_classified(demo, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    picture = tmp_path / "picture.png"
    Image.fromarray(sample_images(64)[1].permute(1, 2, 0).numpy()).save(picture)
    with browser(tmp_path / "profile") as driver:
        driver.get(demo[1])
        assert KEY.fingerprint in driver.find_element(By.TAG_NAME, "main").text
        driver.find_element(By.ID, "file").send_keys(str(picture))
        WebDriverWait(driver, 30).until(lambda d: d.find_elements(By.CSS_SELECTOR, "#top li"))
        sides = "return [...document.querySelectorAll('.frame img')].map(i => [i.naturalWidth, i.src])"
        (plain, encrypted) = driver.execute_script(sides)
        assert plain[0] == encrypted[0] == 16
        assert plain[1] != encrypted[1]
        assert len(driver.find_elements(By.CSS_SELECTOR, "#top li")) == 5
        driver.save_screenshot(str(tmp_path / "page.png"))
        loaded = driver.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
        assert all(name.startswith((demo[1], "data:")) for name in loaded), "nothing comes from elsewhere"
        picture.write_text("no picture")
        driver.execute_script("document.getElementById('file').value = ''")
        driver.find_element(By.ID, "file").send_keys(str(picture))
        WebDriverWait(driver, 30).until(lambda d: "no picture" in d.find_element(By.ID, "message").text)
        faults = [entry for entry in driver.get_log("browser") if "422" not in entry["message"]]
        assert not [entry for entry in faults if "favicon" not in entry["message"]], faults


@pytest.mark.slow
def test_the_process_of_the_service_is_another_than_the_one_with_the_key(tmp_path):
    written(tmp_path / "bundle")
    with serving(tmp_path / "bundle", "--demo", "--demo-port", "0", log=tmp_path / "log.txt") as (process, url):
        page = next(line for line in process.stdout if "open http://" in line).split("open ")[1].split()[0]
        listing = ["ps", "-ww", "--ppid", str(process.pid), "-o", "args="]
        assert "demo --url" in subprocess.run(listing, capture_output=True, text=True).stdout
        assert httpx.get(url + "/info", trust_env=False).json()["fingerprint"] == KEY.fingerprint
        assert KEY.fingerprint in httpx.get(page, trust_env=False).text


def test_who_does_not_have_the_address_has_nothing(demo):
    secret = demo[1].rstrip("/").rsplit("/", 1)[1]
    root = demo[1].removesuffix(secret + "/")
    assert len(secret) >= 22
    http = httpx.Client(trust_env=False, verify=False)
    for path in ("", "picture", "x/", "x/picture", secret[:-1] + "/", secret[:-1] + "/picture", "%00/", "openapi.json"):
        for headers in ({}, {"Origin": "https://provider.example"}, {"Cookie": secret}, {"X-Demo": secret}):
            for answer in (
                http.get(root + path, headers=headers),
                http.post(root + path, content=b"any", headers=headers),
            ):
                assert answer.status_code in (404, 405), path
                assert secret not in answer.text + str(answer.headers)
                assert "access-control-allow-origin" not in answer.headers


def test_a_picture_is_encrypted_for_who_has_the_address(demo):
    file = io.BytesIO()
    Image.fromarray(sample_images(64)[1].permute(1, 2, 0).numpy()).save(file, "PNG")
    answer = httpx.post(demo[1] + "picture", content=file.getvalue(), trust_env=False)
    assert len(answer.json()["top"]) == 5
    assert httpx.post(demo[1] + "picture", content=b"any", trust_env=False).status_code == 422


def test_a_name_that_was_bent_to_this_machine_is_refused(demo):
    assert httpx.get(demo[1], headers={"Host": "provider.example"}, trust_env=False).status_code == 400


def test_the_page_is_one_file_that_loads_nothing(demo):
    page = httpx.get(demo[1], trust_env=False)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "{{" not in page.text
    assert "http" not in page.text.replace(demo[0], ""), "no address but that of the service"


def test_the_demo_stays_on_this_machine(tmp_path, vitcrypt):
    code, printed = vitcrypt("serve", tmp_path, "--demo", "--host", "0.0.0.0")
    assert code == 1
    assert "--demo works on this machine only" in printed

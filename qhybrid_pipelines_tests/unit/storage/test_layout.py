from qhybrid_pipelines.storage.layout import Home


def test_home_is_absolute_and_makes_its_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    home = Home("data").make().make()
    monkeypatch.chdir("/")
    assert home.path == tmp_path / "data"
    assert all(folder.is_dir() and folder.parent == home.path for folder in home.folders)

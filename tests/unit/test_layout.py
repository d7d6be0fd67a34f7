def test_both_distributions_import():
    import awaitguard
    import netra_backend

    assert awaitguard.__doc__
    assert netra_backend.__doc__

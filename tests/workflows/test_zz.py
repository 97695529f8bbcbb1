from tests.fakes.ran import Ran
def test_it(promoted):
    hub, ran = promoted
    assert ran.jobs == {}, ran.said[-100:]

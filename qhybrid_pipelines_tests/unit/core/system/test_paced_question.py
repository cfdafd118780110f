from qhybrid_pipelines.core.system.paced_question import PacedQuestion


class Seconds:
    """As much of a clock as is asked."""

    now = 100.0

    def monotonic(self):
        return self.now


def asked_for(seconds, *, every, times):
    """Ask again and again what takes some seconds; return how often it was asked, and the share of the time that took."""
    clock, asked = Seconds(), []
    paced = PacedQuestion(clock=clock, worked=clock.monotonic)

    def question():
        asked.append(clock.now)
        clock.now += seconds
        return True

    answers = []
    for _ in range(times):
        answers.append(paced.ask("home", question))
        clock.now += every
    assert sum(answers) == len(asked)
    return len(asked), len(asked) * seconds / (clock.now - 100.0)


def test_what_is_quick_is_asked_every_time():
    assert asked_for(0.4, every=1.0, times=50)[0] == 50


def test_what_takes_long_takes_a_twentieth_of_the_time():
    number, share = asked_for(4.0, every=10.0, times=1000)
    assert number > 1
    assert 0.03 < share <= 0.05


def test_questions_about_others_do_not_wait():
    clock = Seconds()
    paced = PacedQuestion(clock=clock, worked=clock.monotonic)

    def slow():
        clock.now += 60.0
        return True

    assert paced.ask("one", slow)
    assert not paced.ask("one", slow)
    assert paced.ask("another", slow)

"""Random numbers: seeded, and distributed as their names say."""

import torch

from modelscope_handkp.synthetic import Rng

MANY = 20_000


def test_same_seed_same_numbers_and_another_seed_others():
    first, again, other = (Rng(seed).uniform(0, 1, 5) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_uniform_fills_its_range():
    values = Rng(0).uniform(-2, 6, MANY)
    assert -2 <= values.min() < -1.99 and 5.99 < values.max() < 6 and abs(values.mean() - 2) < 0.1


def test_log_uniform_has_as_much_in_each_octave():
    values = Rng(0).log_uniform(1, 16, MANY)
    shares = torch.histogram(values.log2(), 4, range=(0.0, 4.0)).hist / MANY
    assert values.min() >= 1 and values.max() <= 16.001 and ((shares - 0.25).abs() < 0.02).all()


def test_normal_has_mean_zero_and_the_deviation_asked_for():
    values = Rng(0).normal(3.0, MANY)
    assert abs(values.mean()) < 0.1 and abs(values.std() - 3) < 0.1


def test_chance_is_the_share_that_is_true():
    values = Rng(0).chance(0.2, 100, MANY // 100)
    assert values.dtype == torch.bool and values.shape == (100, MANY // 100) and abs(values.float().mean() - 0.2) < 0.02


def test_integers_have_the_low_end_and_not_the_high_one():
    values = Rng(0).integers(2, 5, MANY)
    assert values.dtype == torch.int64 and set(values.tolist()) == {2, 3, 4}


def test_choice_follows_the_weights():
    values = Rng(0).choice(torch.tensor([1.0, 0.0, 3.0]), MANY)
    assert abs((values == 2).float().mean() - 0.75) < 0.02 and not (values == 1).any()


def test_no_choices_are_none():
    assert Rng(0).choice(torch.tensor([1.0, 2.0]), 0).tolist() == []

"""Every planted fault of MS101 to MS207 is found on several architectures, and nothing else is reported.

`scripts/smoke_matrix.py` runs all faults on all architectures.
"""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from tests.smoke.architectures import ZOO  # noqa: E402
from tests.smoke.checks.planted import FAULTS, Fault, applicable, clean, verdict  # noqa: E402

ARCHITECTURES = ["mlp", "cnn", "lstm", "decoder", "encoder", "gnn", "moe", "vae", "unet"]


def chosen() -> list[object]:
    """Three architectures for each fault, others for the next, so that each is asked about many faults."""
    cases = []
    for at, fault in enumerate(FAULTS):
        order = ARCHITECTURES[at % len(ARCHITECTURES) :] + ARCHITECTURES[: at % len(ARCHITECTURES)]
        names = [name for name in order if applicable(fault, name)][:3]
        cases.extend(pytest.param(fault, name, id=f"{fault.code} {fault.name}-{name}") for name in names)
    return cases


@pytest.mark.parametrize("fault, name", chosen())
def test_planted_fault(fault: Fault, name: str) -> None:
    target = fault.plant(clean(ZOO[name]))
    assert target is not None
    missing, extra = verdict(fault, target)
    assert not missing, missing
    assert not extra, extra


def test_enough_faults() -> None:
    assert len(FAULTS) >= 35
    for fault in FAULTS:
        assert sum(applicable(fault, name) for name in ARCHITECTURES) >= 3, fault.name


@pytest.mark.skipif(not hasattr(torch.library, "opcheck"), reason="torch has no opcheck")
def test_operator_that_writes_to_its_argument() -> None:
    from tests.smoke.checks.planted import observed, with_output

    @torch.library.custom_op("mlint_tests::doubled", mutates_args=())
    def doubled(x: torch.Tensor) -> torch.Tensor:
        x.mul_(2)
        return x.clone()

    doubled.register_autograd(lambda ctx, gradient: gradient * 2)
    target = with_output(clean(ZOO["mlp"]), lambda made: doubled(made.clone()))
    assert [(each.name, each.operation) for each in observed(target, {"MS108"})] == [
        ("custom-operator-wrong", "mlint_tests::doubled")
    ]

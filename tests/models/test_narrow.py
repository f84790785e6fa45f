"""What a processor computes in by itself: bfloat16 where it multiplies faster in it, by what the processor says."""

import pytest

from tutelage.models.narrow import is_bf16, is_faster_in_bf16


@pytest.mark.parametrize(
    ("capabilities", "is_faster"),
    [
        ({"cpu_name": "AMD EPYC", "avx512_bf16": True, "amx_bf16": False}, True),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, True),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, False),
        ({"cpu_name": "AMD EPYC", "avx512_bf16": False}, False),
        ({"cpu_name": "Neoverse-V1", "bf16": True}, False),
        ({}, False),
    ],
)
def test_products_are_in_bf16_where_the_processor_is_faster_in_it(capabilities, is_faster):
    assert is_faster_in_bf16(capabilities) is is_faster


def test_what_a_setting_names_is_what_is_computed_in():
    assert is_bf16("bf16")
    assert not is_bf16("fp32")

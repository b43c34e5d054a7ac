"""The laws of signed permutations, byte for byte, and the errors they promise."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vitcrypt.encryption import SignedPermutation

quick = settings(deadline=None, max_examples=25, database=None)

shapes = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
widths = st.sampled_from([8, 4])


@st.composite
def maps(draw, shape, bits=None):
    bits = draw(widths) if bits is None else bits
    size = shape[0] * shape[1] * shape[2] * 8 // bits
    index = draw(st.permutations(range(size)))
    mask = draw(st.lists(st.integers(0, 2**bits - 1), min_size=size, max_size=size))
    return SignedPermutation(torch.tensor(index), torch.tensor(mask, dtype=torch.uint8), bits)


@st.composite
def images(draw, shape, batch=None):
    count = shape[0] * shape[1] * shape[2] * (1 if batch is None else batch)
    values = draw(st.binary(min_size=count, max_size=count))
    return torch.tensor(list(values), dtype=torch.uint8).view(shape if batch is None else (batch, *shape))


def same(f, g):
    return f.bits == g.bits and torch.equal(f.index, g.index) and torch.equal(f.mask, g.mask)


def shuffled(size, seed, bits=8, rows=None):
    generator = torch.Generator().manual_seed(seed)
    index = [torch.randperm(size, generator=generator) for _ in range(rows or 1)]
    mask = torch.randint(0, 2**bits, (rows or 1, size), generator=generator).to(torch.uint8)
    return SignedPermutation(torch.stack(index), mask, bits) if rows else SignedPermutation(index[0], mask[0], bits)


@quick
@given(st.data())
def test_byte_j_is_byte_index_j_under_the_mask(data):
    shape = data.draw(shapes)
    f, x = data.draw(maps(shape, 8)), data.draw(images(shape))
    flat = x.flatten().tolist()
    expected = [flat[i] ^ m for i, m in zip(f.index.tolist(), f.mask.tolist(), strict=True)]
    assert f(x).flatten().tolist() == expected


@quick
@given(st.data())
def test_nibble_j_is_nibble_index_j_under_the_mask_with_the_low_nibbles_first(data):
    shape = data.draw(shapes)
    f, x = data.draw(maps(shape, 4)), data.draw(images(shape))
    flat = x.flatten().tolist()
    nibbles = [value % 16 for value in flat] + [value // 16 for value in flat]
    moved = [nibbles[i] ^ m for i, m in zip(f.index.tolist(), f.mask.tolist(), strict=True)]
    expected = [moved[t] + 16 * moved[len(flat) + t] for t in range(len(flat))]
    assert f(x).flatten().tolist() == expected


@quick
@given(st.data())
def test_the_identity_changes_no_image_and_is_neutral(data):
    shape, bits = data.draw(shapes), data.draw(widths)
    f, x = data.draw(maps(shape, bits)), data.draw(images(shape))
    one = SignedPermutation.identity(f.index.numel(), bits)
    assert torch.equal(one(x), x)
    assert same(one @ f, f)
    assert same(f @ one, f)


@quick
@given(st.data())
def test_the_inverse_undoes_from_both_sides(data):
    shape = data.draw(shapes)
    f, x = data.draw(maps(shape)), data.draw(images(shape, batch=2))
    one = SignedPermutation.identity(f.index.numel(), f.bits)
    assert torch.equal(f.inverse()(f(x)), x)
    assert torch.equal(f(f.inverse()(x)), x)
    assert same(f @ f.inverse(), one)
    assert same(f.inverse() @ f, one)
    assert same(f.inverse().inverse(), f)


@quick
@given(st.data())
def test_composition_applies_the_right_one_first(data):
    shape = data.draw(shapes)
    f, g, x = data.draw(maps(shape)), data.draw(maps(shape)), data.draw(images(shape))
    assert torch.equal((f @ g)(x), f(g(x)))


@quick
@given(st.data())
def test_composition_is_associative(data):
    shape = data.draw(shapes)
    f, g, h = (data.draw(maps(shape)) for _ in range(3))
    assert same((f @ g) @ h, f @ (g @ h))


@quick
@given(st.data())
def test_the_inverse_of_a_composition_is_the_composition_of_the_inverses_in_reverse(data):
    shape = data.draw(shapes)
    f, g = data.draw(maps(shape)), data.draw(maps(shape))
    assert same((f @ g).inverse(), g.inverse() @ f.inverse())


@quick
@given(st.data())
def test_lifting_to_nibbles_commutes_with_applying_composing_and_inverting(data):
    shape = data.draw(shapes)
    f, g, x = data.draw(maps(shape, 8)), data.draw(maps(shape, 8)), data.draw(images(shape))
    assert f.lift().bits == 4
    assert torch.equal(f.lift()(x), f(x))
    assert same((f @ g).lift(), f.lift() @ g.lift())
    assert same(f.inverse().lift(), f.lift().inverse())
    assert same(f.lift().lift(), f.lift())


@pytest.mark.slow
@quick
@given(st.data())
def test_a_batched_index_maps_row_i_by_its_own_map(data):
    shape, bits, batch = data.draw(shapes), data.draw(widths), data.draw(st.integers(1, 3))
    rows = [data.draw(maps(shape, bits)) for _ in range(batch)]
    x = data.draw(images(shape, batch))
    each = SignedPermutation.stack(rows)
    assert each.index.shape == (batch, rows[0].index.numel())
    assert torch.equal(each(x), torch.stack([row(image) for row, image in zip(rows, x, strict=True)]))
    assert torch.equal(each.inverse()(each(x)), x)
    for i, row in enumerate(rows):
        assert torch.equal(each.inverse().index[i], row.inverse().index)
        assert torch.equal(each.lift().index[i], row.lift().index)
        assert torch.equal(each.lift().mask[i], row.lift().mask)


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("rows_of", [(3, None), (None, 3), (3, 3)], ids=["batched@shared", "shared@batched", "both"])
def test_batched_and_shared_maps_compose(rows_of, bits):
    size = 12 * 8 // bits
    f, g = shuffled(size, 1, bits, rows_of[0]), shuffled(size, 2, bits, rows_of[1])
    x = torch.randint(0, 256, (3, 3, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    assert torch.equal((f @ g)(x), f(g(x)))
    assert not torch.equal((f @ g)(x), g(f(x)))


@pytest.mark.parametrize("f_bits", [8, 4])
def test_bytes_are_lifted_where_the_other_side_has_nibbles(f_bits):
    f, g = shuffled(12 * 8 // f_bits, 4, f_bits), shuffled(12 * 8 // (12 - f_bits), 5, 12 - f_bits)
    x = torch.randint(0, 256, (5, 3, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(6))
    assert (f @ g).bits == 4
    assert torch.equal((f @ g)(x), f(g(x)))


@pytest.mark.parametrize("bits", [8, 4])
def test_one_image_gives_the_bytes_it_gives_in_a_batch(bits):
    f = shuffled(12 * 8 // bits, 7, bits)
    x = torch.randint(0, 256, (4, 3, 2, 2), dtype=torch.uint8, generator=torch.Generator().manual_seed(8))
    assert f(x).shape == x.shape
    for image, encrypted in zip(x, f(x), strict=True):
        assert f(image).shape == image.shape
        assert torch.equal(f(image), encrypted)


@pytest.mark.parametrize("bits", [8, 4])
def test_applying_leaves_the_image_and_the_map_as_they_were(bits):
    f = shuffled(12 * 8 // bits, 9, bits)
    x = torch.arange(24, dtype=torch.uint8).view(2, 3, 2, 2)
    image, index, mask = x.clone(), f.index.clone(), f.mask.clone()
    first = f(x)
    assert torch.equal(x, image)
    assert torch.equal(f.index, index)
    assert torch.equal(f.mask, mask)
    assert torch.equal(f(x), first)


@pytest.mark.parametrize("bits", [8, 4])
def test_an_image_that_is_not_contiguous_gives_the_bytes_of_its_copy(bits):
    f = shuffled(24 * 8 // bits, 10, bits)
    x = torch.arange(48, dtype=torch.uint8).view(2, 4, 2, 3).permute(0, 3, 1, 2)
    assert not x.is_contiguous()
    assert torch.equal(f(x), f(x.contiguous()))


@pytest.mark.parametrize("bits", [8, 4])
def test_an_empty_batch_gives_an_empty_batch(bits):
    x = torch.empty(0, 3, 2, 2, dtype=torch.uint8)
    assert shuffled(12 * 8 // bits, 11, bits)(x).shape == x.shape


def test_a_map_without_a_mask_complements_nothing():
    f = SignedPermutation(torch.tensor([2, 0, 1]))
    assert f(torch.tensor([10, 20, 30], dtype=torch.uint8).view(1, 1, 3)).tolist() == [[[30, 10, 20]]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64, torch.int8, torch.bool])
def test_an_image_of_another_dtype_is_refused(dtype):
    with pytest.raises(TypeError, match="uint8.*got " + str(dtype)):
        SignedPermutation.identity(12)(torch.zeros(3, 2, 2, dtype=dtype))


@pytest.mark.parametrize("shape", [(12,), (1, 12), (1, 1, 3, 2, 2)])
def test_an_image_of_another_rank_is_refused(shape):
    with pytest.raises(ValueError, match=r"\[C, H, W\].*got shape"):
        SignedPermutation.identity(12)(torch.zeros(shape, dtype=torch.uint8))


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("shape", [(3, 2, 3), (1, 2, 2), (2, 3, 4, 4)])
def test_an_image_of_another_size_is_refused(shape, bits):
    with pytest.raises(ValueError, match="12 bytes"):
        SignedPermutation.identity(12 * 8 // bits, bits)(torch.zeros(shape, dtype=torch.uint8))


@pytest.mark.parametrize("shape", [(2, 3, 2, 2), (4, 3, 2, 2), (3, 2, 2)])
def test_a_batched_map_refuses_another_number_of_images(shape):
    with pytest.raises(ValueError, match="3 images"):
        shuffled(12, 12, rows=3)(torch.zeros(shape, dtype=torch.uint8))


@pytest.mark.parametrize(
    "index",
    [[0, 1, 1, 3], [0, 0, 0, 0], [0, 1, 2, 4], [1, 2, 3, 4], [-1, 0, 1, 2], [[0, 1, 2, 3], [0, 1, 2, 2]]],
    ids=["twice", "constant", "too-large", "from-one", "negative", "one-bad-row"],
)
@pytest.mark.parametrize("bits", [8, 4])
def test_an_index_that_is_no_bijection_is_refused(index, bits):
    with pytest.raises(ValueError, match=r"no bijection of 0\.\.3"):
        SignedPermutation(torch.tensor(index), bits=bits)


def test_the_error_about_a_bijection_counts_the_lost_symbols():
    with pytest.raises(ValueError, match="2 symbols would be lost"):
        SignedPermutation(torch.tensor([0, 0, 0, 3]))


def test_the_error_about_an_index_from_one_does_not_say_that_no_symbol_is_lost():
    with pytest.raises(ValueError, match="1 symbol"):
        SignedPermutation(torch.tensor([1, 2, 3, 4]))


@pytest.mark.parametrize("value", [16, 240, 255])
def test_a_mask_too_large_for_a_nibble_is_refused(value):
    with pytest.raises(ValueError, match=f"at most 15, got {value}"):
        SignedPermutation(torch.arange(4), torch.tensor([0, 15, value, 0], dtype=torch.uint8), bits=4)


@pytest.mark.parametrize("dtype", [torch.int32, torch.float32, torch.uint8, torch.bool])
def test_an_index_of_another_dtype_is_refused(dtype):
    with pytest.raises(TypeError, match="int64 index"):
        SignedPermutation(torch.arange(2).to(dtype))


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.float32])
def test_a_mask_of_another_dtype_is_refused(dtype):
    with pytest.raises(TypeError, match="uint8 mask"):
        SignedPermutation(torch.arange(4), torch.zeros(4, dtype=dtype))


@pytest.mark.parametrize(
    ("index_shape", "mask_shape"), [((4,), (2,)), ((1, 4), (4,)), ((1, 1, 4), (1, 1, 4)), ((2, 4), (1, 4))]
)
def test_an_index_or_mask_of_another_shape_is_refused(index_shape, mask_shape):
    with pytest.raises(ValueError, match="must both be"):
        SignedPermutation(torch.arange(4).expand(index_shape), torch.zeros(mask_shape, dtype=torch.uint8))


@pytest.mark.parametrize("size", [1, 3, 11])
def test_an_odd_number_of_nibbles_is_refused(size):
    with pytest.raises(ValueError, match=f"even number of nibbles.*{size}"):
        SignedPermutation.identity(size, bits=4)


@pytest.mark.parametrize("bits", [0, 1, 7, 16])
def test_symbols_of_another_width_are_refused(bits):
    with pytest.raises(ValueError, match=f"bits={bits}"):
        SignedPermutation.identity(4, bits=bits)


def test_maps_of_different_sizes_do_not_compose():
    with pytest.raises(ValueError, match="cannot compose maps of 4 and 6"):
        SignedPermutation.identity(4) @ SignedPermutation.identity(6)
    with pytest.raises(ValueError, match="cannot compose maps of 8 and 6"):
        SignedPermutation.identity(4) @ SignedPermutation.identity(6, bits=4)


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("rows", [None, 3])
def test_a_state_dict_holds_nothing_of_a_map(bits, rows):
    f = shuffled(24, 13, bits, rows)
    assert f.state_dict() == {}
    assert torch.nn.Sequential(f, torch.nn.ReLU()).state_dict() == {}
    assert list(f.parameters()) == []


@pytest.mark.parametrize("bits", [8, 4])
def test_the_repr_is_the_same_for_every_map_of_a_size(bits):
    f, g = shuffled(24, 14, bits), shuffled(24, 15, bits)
    assert not torch.equal(f.index, g.index)
    assert repr(f) == repr(g) == str(f) == f"SignedPermutation(symbols=24, bits={bits})"


@pytest.mark.parametrize("bits", [8, 4])
def test_casting_a_module_to_half_precision_leaves_a_map_as_it_is(bits):
    f = shuffled(12 * 8 // bits, 16, bits)
    x = torch.arange(12, dtype=torch.uint8).view(3, 2, 2)
    expected = f(x)
    assert torch.equal(f.half()(x), expected)

"""Names that say seed, and calls that take one, in the languages and libraries that people train and simulate with."""

from __future__ import annotations

from functools import lru_cache

from pytest_autoresearch.patterns import regex

_COUNTED = regex(  # how many there are, and what grows from another kind of seed
    r"(?:^|_)(?:n|num|nr|number|count|total|max|min)_(?:of_)?seeds"
    r"|(?:^|_)seeds?_(?:count|points?|words?|nodes?|size|length|rate|regions?|mask|text|phrases?|urls?|planted|layer)(?:$|_)"
)
_CAMEL = regex(r"(?<=[a-z0-9])(?=[A-Z])")
_WORDS = frozenset({"seed", "seeds", "reseed", "kseed", "prng", "rng"})
_ENDINGS = ("hashseed", "randomseed", "rngseed", "globalseed", "mainseed", "baseseed", "randseed")
_SETTING = frozenset(  # they change what all later draws give
    "seed set_seed setseed manual_seed manual_seed_all seed_everything set_random_seed seed_all srand srandom"
    " srand48 mt_srand set.seed seed! setSeed curand_init curandSetPseudoRandomGeneratorSeed gsl_rng_set with_seed"
    " seed_instance".split()
)
_MAKING = frozenset(  # they give a generator or a key
    "default_rng RandomState PRNGKey SeedSequence PCG64 PCG64DXSM MT19937 Philox SFC64 Rngs fold_in key_data"
    " MersenneTwister Xoshiro StableRNG seed_from_u64 from_seed with_seed new_seed NewSource NewPCG NewChaCha8"
    " seedrandom SplittableRandom mt19937 mt19937_64 minstd_rand minstd_rand0 ranlux24 ranlux48 ranlux24_base"
    " ranlux48_base knuth_b default_random_engine seed_seq mersenne_twister_engine linear_congruential_engine"
    " philox4x32 pcg32 pcg64 pcg32_fast mulberry32 sfc32 splitmix32 xmur3 cyrb128 alea Alea Chance Random Well19937c"
    " Well44497b XorShift128 xoroshiro128plus xorshift128plus congruential32 mersenne unsafeXoroshiro128plus"
    " PhiloxRNG Philox4x Threefry2x SimpleRNG LehmerRNG NumpyRNGContext temp_seed rand_r erand48 nrand48 jrand48"
    " wrap_key_data".split()
)
_GENERATORS = (
    "rng",
    "rand",
    "pcg",
    "chacha",
    "xoroshiro",
    "xoshiro",
    "xorshift",
    "mt19937",
    "mt64",
    "lcg",
    "isaac",
    "wyrand",
)
_OF_RANDOM = frozenset("generator gen engine source state device number numbers stream core rng".split())
"""What makes a generator of `Random…`: a `RandomForest` is none."""
_KEYS = frozenset({"key", "wrap_key_data"})
_SKIPS = frozenset({"advance", "jumped", "jump", "discard", "set_stream", "set_word_pos", "randjump", "bit_generator"})
_DRAWS = frozenset(
    "random rand randn randint randrange uniform normal gauss standard_normal integers random_sample getrandbits"
    " next nextInt nextDouble gen next_u32 next_u64 randperm bernoulli".split()
)
_DECLARING = frozenset("Field field Option Argument attrib ib Parameter Flag".split())
CONVERSIONS = frozenset(
    "int float str abs hash min max round pow ord len bytes bytearray crc32 adler32 md5 sha256 hexdigest encode"
    " encode_utf8 time time_ns perf_counter getpid urandom get getenv environ uint32 uint64 int64 int32 array"
    " asarray as_integer Int Int64 UInt UInt32 UInt64 static_cast uint32_t uint64_t time_since_epoch now count"
    " from_bytes to_bytes range unwrap unwrap_or unwrap_or_default parse expect value_or orElse getOrDefault stoi stol"
    " stoul stoull atoi atol strtoul strtol random_device c as.integer parseInt Number Date now"
    " Math.floor floor BigInt".split()
)


@lru_cache(maxsize=8192)
def says_seed(name: str) -> bool:
    """Whether a name is one of a seed, as a word of its own: ``modelSeed`` and ``random_state``, not ``linseed``."""
    words = _words(name.strip("-").rstrip("!"))
    plain = "_".join(words)
    if _COUNTED.search(plain):
        return False
    return not _WORDS.isdisjoint(plain.split("_")) or "random_state" in plain or plain.endswith(_ENDINGS)


def _words(name: str) -> list[str]:
    return _CAMEL.sub("_", name).lower().replace("-", "_").replace(".", "_").split("_")


def sets_luck(name: str, owner: str) -> bool:
    """Whether a call does nothing but say which numbers are drawn from now on."""
    return name in _SETTING or (name not in _MAKING and says_seed(name)) or (name in _SKIPS and _is_generator(owner))


def takes_seed(name: str, owner: str) -> bool:
    """Whether what a call is given is a seed."""
    if sets_luck(name, owner) or name in _MAKING:
        return True
    if name in _KEYS:
        return owner.endswith(("random", "jr", "jrandom", "jrnd", "nnx.Rngs"))
    return name in ("new", "New") and _is_generator(owner)


def only_draws(name: str, owner: str) -> bool:
    """Whether a call whose value is not used does nothing but move a generator on."""
    last = owner.rpartition(".")[2]
    return name in _DRAWS and (_is_generator(owner) or last in ("random", "gen", "generator", "torch"))


def declares(name: str) -> bool:
    """Whether a call says what a field or an option is: its default first, or by name."""
    return name in _DECLARING


def _is_generator(owner: str) -> bool:
    last = owner.rpartition(".")[2]
    words = _words(last)
    if words[0] == "random" and len(words) > 1 and words[1] not in _OF_RANDOM:
        return False
    return last in ("mt", "jr", "bit_generator") or any(word.startswith(_GENERATORS) for word in words)

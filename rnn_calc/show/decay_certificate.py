"""What is guaranteed of measured norms, and what is only estimated: in words and as data."""

from __future__ import annotations

from collections.abc import Sequence

from rnn_calc.core.certificate import Certificate
from rnn_calc.core.decay import Decay
from rnn_calc.show.document import Text


def certified_to(certificate: Certificate) -> str:
    """The relative error that each norm certainly keeps to, beside the float64 product."""
    return f"{certificate.tolerance if certificate.met else certificate.widest:.0e}"


def certificate_block(decays: Sequence[Decay], more: Sequence[Certificate] = ()) -> Text:
    """What the certificates of some decays, and `more`, amount to, and what they say nothing of."""
    certificates = [*(decay.certificate for decay in decays), *more]
    unmet = [certificate.widest for certificate in certificates if not certificate.met]
    tolerance = certificates[0].tolerance
    at_once = sum(len(decay.lags) for decay in decays if _is_plain(decay))
    iterated, decomposed = (sum(getattr(one, name) for one in certificates) for name in ("iterated", "decomposed"))
    counts = {"at once": at_once, "by iteration": iterated - at_once, "by decomposition": decomposed}
    ways = [f"{count:,} {way}" for way, count in counts.items() if count]
    within = f"{max(unmet):.0e} of itself, not {tolerance:g} as asked for" if unmet else f"{tolerance:g} of itself"
    lines = [
        f"· Each norm is the 2-norm of the float64 product, within {within} (--tolerance): a rigorous "
        f"interval for each, {' and '.join(ways)}."
    ]
    dropped = max(certificate.dropped for certificate in certificates)
    if dropped:
        failure = max(certificate.failure for certificate in certificates)
        lines.append(
            f"· Rows of little weight were dropped from the products: at most {dropped:.0e} of a norm may be theirs, "
            f"which its interval takes in, and fails to with a probability of at most {failure:.0e}."
        )
    if any(certificate.recomputed for certificate in certificates):
        lines.append("· Rows dropped at first might have mattered, so all was computed anew without dropping any.")
    rounding = max(decay.rounding for decay in decays)
    lines.append(
        f"· Not in it: how rounding moves the product itself, about {rounding:.0e} relative at the longest lag. That "
        "is an estimate, which cancellation can exceed."
    )
    return Text(tuple(lines), title="What is guaranteed")


def _is_plain(decay: Decay) -> bool:
    """Whether a norm is that of one number, or of a diagonal matrix, which nothing need be iterated for."""
    return not decay.certificate.decomposed and (decay.width == 1 or (decay.direct is not None and decay.direct.alone))


def certificate_json(certificate: Certificate) -> dict[str, object]:
    """A certificate as a JSON object."""
    return {
        "tolerance": certificate.tolerance,
        "met": certificate.met,
        "widest": certificate.widest,
        "iterated": certificate.iterated,
        "decomposed": certificate.decomposed,
        "dropped": certificate.dropped,
        "failure_probability": certificate.failure,
        "recomputed": certificate.recomputed,
    }

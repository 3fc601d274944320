"""Says what a packing is worth. Exact: fractions, no tolerance, so nothing that overlaps passes."""

import json
from fractions import Fraction

COUNT = 26


def sum_of_radii(circles: list[list[float]]) -> Fraction:
    """The sum, or ValueError for what is no packing of 26 circles in the unit square."""
    if len(circles) != COUNT:
        raise ValueError(f"{len(circles)} circles, not {COUNT}")
    exact = [tuple(map(Fraction, circle)) for circle in circles]
    for index, (x, y, radius) in enumerate(exact):
        if radius < 0:
            raise ValueError(f"circle {index} has a negative radius")
        if min(x, 1 - x, y, 1 - y) < radius:
            raise ValueError(f"circle {index} leaves the square")
        for other, (a, b, reach) in enumerate(exact[:index]):
            if (x - a) ** 2 + (y - b) ** 2 < (radius + reach) ** 2:
                raise ValueError(f"circles {other} and {index} overlap")
    return sum((radius for _, _, radius in exact), Fraction(0))


if __name__ == "__main__":
    with open("circles.json", encoding="utf-8") as file:
        print(f"sum_radii: {float(sum_of_radii(json.load(file))):.6f}")

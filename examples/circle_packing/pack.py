"""Pack 26 circles into the unit square so that the sum of their radii is large.

This is the file to improve. It has to write `circles.json`, a list of [x, y, radius]; `check.py` reads nothing else.
"""

import json
import math

COUNT = 26
COLUMNS = 6  # of the grid that the circles begin on
SKEW = 0.1  # how far every other row is shifted, in columns
START_RADIUS = 0.02
STEPS = 400  # a run takes longer with each
RATE = 0.002  # of a step
MOMENTUM = 0.5
PENALTY = 5.0  # on overlap, at the beginning
GROWTH = 1.005  # of the penalty in each step
RATE_DECAY = 1.0  # of the rate in each step


def begin() -> list[list[float]]:
    """Circles on a grid, row by row."""
    rows = math.ceil(COUNT / COLUMNS)
    circles = []
    for index in range(COUNT):
        row, column = divmod(index, COLUMNS)
        x = (column + 0.5 + SKEW * (row % 2)) / (COLUMNS + SKEW)
        circles.append([x, (row + 0.5) / rows, START_RADIUS])
    return circles


def pushes(circles: list[list[float]], penalty: float) -> list[list[float]]:
    """Where the sum of radii less the penalty on overlaps grows: the gradient."""
    slopes = [[0.0, 0.0, 1.0] for _ in circles]
    for index, (x, y, radius) in enumerate(circles):
        slope = slopes[index]
        for over, axis, sign in (
            (radius - x, 0, 1),
            (x + radius - 1, 0, -1),
            (radius - y, 1, 1),
            (y + radius - 1, 1, -1),
        ):
            if over > 0:
                slope[axis] += sign * penalty * over
                slope[2] -= penalty * over
        for other in range(index):
            dx, dy = x - circles[other][0], y - circles[other][1]
            reach = radius + circles[other][2]
            if dx * dx + dy * dy < reach * reach:
                distance = math.hypot(dx, dy) or 1e-9
                push = penalty * (reach - distance)
                for axis, part in enumerate((dx / distance, dy / distance)):
                    slope[axis] += push * part
                    slopes[other][axis] -= push * part
                slope[2] -= push
                slopes[other][2] -= push
    return slopes


def allowed(circles: list[list[float]]) -> list[list[float]]:
    """The circles, each made so small that it fits: inside the square, and beside those before it."""
    fitted = []
    for x, y, radius in sorted(circles, key=lambda circle: -circle[2]):
        x, y = min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)
        room = min([x, 1 - x, y, 1 - y, *(math.hypot(x - a, y - b) - r for a, b, r in fitted)])
        fitted.append([x, y, max(0.0, min(room, max(radius, room)) - 1e-12)])
    return fitted


def pack() -> list[list[float]]:
    circles, speeds = begin(), [[0.0, 0.0, 0.0] for _ in range(COUNT)]
    penalty, rate = PENALTY, RATE
    for _ in range(STEPS):
        for circle, speed, slope in zip(circles, speeds, pushes(circles, penalty), strict=True):
            for axis in range(3):
                speed[axis] = MOMENTUM * speed[axis] + rate * slope[axis]
                circle[axis] += speed[axis]
            circle[2] = max(circle[2], 0.0)
        penalty *= GROWTH
        rate *= RATE_DECAY
    return allowed(circles)


if __name__ == "__main__":
    with open("circles.json", "w", encoding="utf-8") as file:
        json.dump(pack(), file)

"""Combos: named lists of models with a strategy, in an order that people give."""

from omniroute.config import ComboSettings
from omniroute.control.api.things import Area, routes

AREA = Area("combo", ComboSettings, "/api/combos", "Combo", "combos")

ROUTES = routes(AREA)

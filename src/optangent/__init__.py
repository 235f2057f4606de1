"""optangent: build, solve and differentiate convex optimization models.

>>> import optangent as ot
>>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
>>> x = model.add_variable(name="x")
>>> c = model.add_constraint(x >= 3)
>>> model.minimize(2 * x)
>>> model.optimize()
>>> model.value(x), model.dual(c)
(3.0, 2.0)
"""

import sys as _sys

from . import bridges, diffmodels, modelkit, solvers
from .bridges.explain import print_bridges
from .diffmodels import *  # noqa: F403
from .diffmodels import layers
from .diffmodels.explaining.explainer import Explainer as _Explainer
from .diffmodels.layers.cvxpy_problems.cvxpy_model import DEFAULT_SOLVERS as _DEFAULT_SOLVERS
from .diffmodels.layers.cvxpy_problems.cvxpy_model import CvxpyModel, from_cvxpy
from .diffmodels.meta_solver import MetaSolver
from .modelkit import attributes as _attributes
from .modelkit import errors as _errors
from .modelkit import functions as _functions
from .modelkit import modifications as _modifications
from .modelkit import sets as _sets
from .modelkit.attributes import *  # noqa: F403
from .modelkit.data import Coefficients, SetNumbers
from .modelkit.errors import *  # noqa: F403
from .modelkit.form.residuals import Residuals
from .modelkit.functions import *  # noqa: F403
from .modelkit.indices import ConstraintIndex, ConstraintIndices, IndexMap
from .modelkit.model.caching_states import CachingOptimizerMode, CachingOptimizerState, SolverFallbackWarning
from .modelkit.model.model import Model
from .modelkit.modifications import *  # noqa: F403
from .modelkit.sets import *  # noqa: F403
from .modelkit.store.store import Store
from .solvers import distributed, testing
from .solvers.files import read
from .solvers.files import write as _write

Model.backend = MetaSolver
Model.file_writer = _write
Model.explainer = _Explainer
_Explainer.solvers = (*solvers.wrappers(), *solvers.local_wrappers())
# `from optangent.layers import TorchLayer`, as if they stood here
_sys.modules.update({f"{__name__}.{part.__name__.rpartition('.')[2]}": part for part in (distributed, layers, testing)})
_DEFAULT_SOLVERS[:] = [solvers.Clarabel, solvers.SCS]

__version__ = "0.1.0"

__all__ = [
    "CachingOptimizerMode",
    "CachingOptimizerState",
    "Coefficients",
    "ConstraintIndex",
    "ConstraintIndices",
    "CvxpyModel",
    "IndexMap",
    "Model",
    "Residuals",
    "SetNumbers",
    "SolverFallbackWarning",
    "Store",
    "bridges",
    "diffmodels",
    "distributed",
    "from_cvxpy",
    "layers",
    "modelkit",
    "print_bridges",
    "read",
    "solvers",
    "testing",
    *_attributes.__all__,
    *diffmodels.__all__,
    *_errors.__all__,
    *_functions.__all__,
    *_modifications.__all__,
    *_sets.__all__,
]

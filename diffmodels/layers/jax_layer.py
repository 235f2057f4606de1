"""A model as a function of JAX, with derivatives in both modes, under all of JAX's transformations.

What JAX traces is one primitive, a call of the host in one of three modes:

==========  ===============================  ==========================
mode        takes                            gives
==========  ===============================  ==========================
``solve``   parameters                       outputs, codes of statuses
``jvp``     parameters, their tangents       tangents of outputs
``vjp``     parameters, outputs' cotangents  cotangents of parameters
==========  ===============================  ==========================

The derivative of the first is the second, linear in the tangents, and the other two are each other's transposes. A
dimension that `jax.vmap` maps over becomes one more dimension of the batch in front, so that there is one call of the
host however often one maps.

The host's side of it, which knows nothing of JAX, is `jax_host`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from ...modelkit.attributes import TerminationStatusCode
from ...modelkit.errors import DifferentiationError, InvalidData
from .batch import Batch
from .choices import require_count
from .jax_host import CODES, JaxHost
from .jax_patterns import entries_of_whole
from .packing import Shape, batch_shape
from .route import Mode

__all__ = ["layer_class"]

_TWICE = (
    "A solution has first derivatives only. Of the second ones those exist that see it as a linear map of tangents "
    "or cotangents; here one with respect to the layer's inputs was asked for. Wrap them in jax.lax.stop_gradient, "
    "or take differences of first derivatives."
)


def layer_class() -> type[Any]:
    """The class `JaxLayer`."""
    import jax.numpy as jnp
    from jax.experimental.sparse import BCOO

    call_host = _primitive()

    class JaxLayer:
        """The solution of a model as a differentiable function of its parameters.

        Called with one array for each parameter, it returns a tuple with one array for each output. An array has
        its parameter's shape, with the dimensions of a batch in front; these broadcast, so that an array without
        them is shared by the batch and gets the sum of its gradients. `jax.vmap` does the same.

        Outputs are exact, whatever the solver's tolerances: Newton steps lead from its answer to the solution of the
        optimality conditions, and derivatives are those of the same point. An answer that no such step betters, and
        one of a program with integers, is returned as the solver gave it.

        Parameters
        ----------
        model : Model
            With a ``diff_optimizer``. The layer is of the model as it is now.
        parameters : list
            Parameters of the model, as `add_parameter` or `add_parameters` returned them.
        outputs : list
            Variables (their values), constraints (their duals), ``(ot.ConstraintPrimal(), c)`` (the values of a
            constraint's function), ``ot.ObjectiveValue()``.
        on_failure : {"nan", "zero_gradient", "closest"}
            What becomes of items without a solution, and of those that contain NaN, which no solver gets to see.
            "nan" makes their outputs NaN, "zero_gradient" keeps the entries of the point at which the solver
            stopped, with 0 where there are none; with both their gradients are zero and the other items as if solved
            alone. With "closest" infeasible items have the solution of the closest feasible program, as for
            `TorchLayer`. `with_status` and `status` tell which they are. A compiled function cannot raise.
        executor : optional
            Where the items of a batch are solved, as for `TorchLayer`: one after the other (None), in "threads",
            "processes", "auto", or by an executor of yours.
        retry : list, optional
            Solvers, as `diff_optimizer` takes them, tried in this order on items that the model's own solver gives
            up on. A proof that there is no solution is not tried again.
        keep : int
            How many solved items are remembered, with their factorizations; those of the last call always are. Set
            it to what lies between the first forward and the last backward step, such as the length of a
            `jax.lax.scan`: an item that has been forgotten is solved once more for its derivative.

        Attributes
        ----------
        codes : tuple of TerminationStatusCode
            What the integers of `with_status` mean: ``codes[1]`` is OPTIMAL. They are MathOptInterface's.
        status : list of TerminationStatusCode
            For each item of the last call that was carried out, counted through all dimensions of the batch; one for
            a single item. A compiled function is carried out when its result is ready, and not at all if nobody
            needs it; inside of one use `with_status`.
        reasons : list of str
            Why an item has no solution, or no derivative; "" where all is well.

        Notes
        -----
        Computations are in float64. Outputs have the floating type to which the inputs promote (without
        ``jax_enable_x64`` that is float32), and gradients that of their input.

        A parameter that is a sparse matrix takes its entries, (..., T), or whole matrices, (..., m, n), whose other
        numbers are zero: others are refused or, where JAX traces, make the item one that contains NaN.

        Copies and pickles hold the model as it was when the layer was made, and nothing that was solved.

        `jax.jit`, `vmap`, `grad`, `jvp`, `vjp`, `jacfwd`, `jacrev`, `linearize`, `checkpoint`, `lax.scan` and their
        compositions work; second derivatives with respect to the inputs raise a `DifferentiationError`.

        Examples
        --------
        >>> import jax, jax.numpy as jnp
        >>> import optangent as ot
        >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
        >>> x = model.add_variable()
        >>> least = model.add_parameter(0.0)
        >>> c = model.add_constraint(x - least >= 0)
        >>> model.minimize(2 * x)
        >>> layer = ot.layers.JaxLayer(model, parameters=[least], outputs=[x, c])
        >>> x_value, c_dual = layer(jnp.array([3.0, 5.0]))
        >>> x_value.tolist(), c_dual.tolist()
        ([3.0, 5.0], [2.0, 2.0])
        >>> jax.jit(jax.grad(lambda p: layer(p)[0] ** 2))(3.0).item()
        6.0
        """

        codes = CODES

        def __init__(
            self,
            model: Any,
            parameters: Sequence[Any],
            outputs: Sequence[Any],
            *,
            on_failure: str = "nan",
            executor: Any = None,
            retry: Sequence[Any] | None = None,
            keep: int = 128,
        ) -> None:
            if isinstance(on_failure, str) and on_failure == "raise":
                raise InvalidData(
                    "A compiled function of JAX cannot raise. Use on_failure='nan' and look at layer.status, or at "
                    "the codes of layer.with_status(...) where that is compiled too."
                )
            require_count(keep, "keep is a number of items")
            batch = Batch.of(model, parameters, outputs, on_failure=on_failure, executor=executor, retry=retry)
            self._host = JaxHost(batch, int(keep))

        def __call__(self, *parameters: Any) -> tuple[Any, ...]:
            """The outputs at the parameters, in the order in which they were asked for."""
            return self.with_status(*parameters)[0]

        def with_status(self, *parameters: Any) -> tuple[tuple[Any, ...], Any]:
            """The outputs at the parameters, and for each item of the batch its status, as a place in `codes`."""
            arrays = [self._array(number, p) for number, p in enumerate(parameters)]
            wanted = self._host.parameter_shapes
            batch = batch_shape([a.shape for a in arrays], wanted)
            if any(jnp.iscomplexobj(a) for a in arrays):
                raise InvalidData("A layer takes real numbers, got a complex array.")
            floats = [a for a in arrays if jnp.issubdtype(a.dtype, jnp.floating)]
            dtype = jnp.result_type(*floats or [float])
            # as many dimensions for all, but no copies: a shared array is one item's
            fronts = [(1,) * (len(batch) + len(shape) - a.ndim) for a, shape in zip(arrays, wanted, strict=True)]
            arrays = [a.astype(dtype).reshape(front + a.shape) for a, front in zip(arrays, fronts, strict=True)]
            *outputs, codes = call_host.bind(*arrays, host=self._host, mode="solve", batch=batch, dtype=dtype)
            return tuple(outputs), codes

        def _array(self, number: int, given: Any) -> Any:
            """What was given for a parameter as an array of JAX; of a sparse matrix the entries."""
            patterns = self._host.batch.program.patterns
            pattern = patterns[number] if number < len(patterns) else None
            if sp.issparse(given):
                return jnp.asarray(given.toarray() if pattern is None else pattern.of_matrix(given))
            if isinstance(given, BCOO):
                given = given.todense()
            try:
                array = jnp.asarray(given)
            except (TypeError, ValueError) as error:
                raise InvalidData(
                    f"Parameter {number} of a layer is an array or numbers, got {given!r}: {error}."
                ) from None
            if pattern is None or not pattern.is_whole(array.shape):
                return array
            return entries_of_whole(array, pattern)

        def __reduce__(self) -> tuple[Any, ...]:
            return _remade, (self._host.batch, self._host.keep)

        @property
        def status(self) -> list[TerminationStatusCode]:
            return [call.items[place].status for call, place in self._host.last]

        @property
        def reasons(self) -> list[str]:
            return [call.reasons[place] for call, place in self._host.last]

        def __repr__(self) -> str:
            return f"JaxLayer(parameters={list(self._host.parameter_shapes)}, outputs={list(self._host.output_shapes)})"

    return JaxLayer


def _remade(batch: Batch, keep: int) -> Any:
    """The layer of a batch, which remembers nothing yet: what a pickle becomes."""
    from .. import layers

    layer = layers.JaxLayer.__new__(layers.JaxLayer)
    layer._host = JaxHost(batch, keep)
    return layer


# ---------------------------------------------------------------------- what JAX traces
def _primitive() -> Any:
    """The primitive ``call_host[host, mode, batch, dtype](*parameters, *vectors)``.

    All arrays are of the type `dtype`. The vectors, and the results, have exactly the dimensions `batch` in front,
    parameters as many, which may be 1 where all the batch shares them.
    """
    import jax
    import jax.numpy as jnp
    from jax.extend.core import Primitive
    from jax.interpreters import ad, batching, mlir

    call_host = Primitive("optangent_call_host")
    call_host.multiple_results = True

    def abstract_eval(*_: Any, host: JaxHost, mode: str, batch: Shape, dtype: Any) -> list[Any]:
        results = [jax.core.ShapedArray(batch + shape, dtype) for shape in host.batch.sides(mode)[1]]
        return [*results, jax.core.ShapedArray(batch, np.dtype("int32"))] if mode == "solve" else results

    def run_now(*arrays: Any, host: JaxHost, **static: Any) -> list[Any]:
        return [jnp.asarray(a) for a in host(*map(np.asarray, arrays), **static)]

    def lower(ctx: Any, *operands: Any, host: JaxHost, **static: Any) -> Any:
        # Not through jax.pure_callback, which wraps the arrays in JAX's own: to read those one waits for a thread of
        # the pool in which the callback itself runs, for ever if it is the last one (jax issue 24255).
        def callback(*arrays: Any) -> tuple[Any, ...]:
            return tuple(host(*arrays, **static))

        results, *_ = mlir.emit_python_callback(
            ctx, callback, None, list(operands), ctx.avals_in, ctx.avals_out, has_side_effect=False
        )
        return results

    def jvp(primals: Any, tangents: Any, *, host: JaxHost, mode: str, batch: Shape, **static: Any) -> Any:
        static |= dict(host=host, batch=batch)
        results = call_host.bind(*primals, mode=mode, **static)
        shapes = host.parameter_shapes
        parameters = primals[: len(shapes)]
        if mode == "solve":
            given = zip(tangents, shapes, strict=True)
            vectors = [jnp.broadcast_to(ad.instantiate_zeros(t), batch + shape) for t, shape in given]
            found = call_host.bind(*parameters, *vectors, mode="jvp", **static)
            return results, [*found, ad.Zero(jax.core.ShapedArray(batch, jax.dtypes.float0))]
        if any(type(t) is not ad.Zero for t in tangents[: len(shapes)]):
            raise DifferentiationError(_TWICE)
        vectors = [ad.instantiate_zeros(t) for t in tangents[len(shapes) :]]
        return results, call_host.bind(*parameters, *vectors, mode=mode, **static)

    def transpose(cotangents: Any, *operands: Any, host: JaxHost, mode: Mode, **static: Any) -> Any:
        count = len(host.parameter_shapes)
        other = "vjp" if mode == "jvp" else "jvp"
        vectors = map(ad.instantiate_zeros, cotangents)
        found = call_host.bind(*operands[:count], *vectors, host=host, mode=other, **static)
        unknown = map(ad.is_undefined_primal, operands[count:])
        return [*[None] * count, *(f if wanted else None for f, wanted in zip(found, unknown, strict=True))]

    def vmap(operands: Any, dims: Any, *, host: JaxHost, batch: Shape, **static: Any) -> Any:
        size = next(a.shape[dim] for a, dim in zip(operands, dims, strict=True) if dim is not None)
        arrays = [
            jnp.expand_dims(a, 0) if dim is None else jnp.moveaxis(a, dim, 0)
            for a, dim in zip(operands, dims, strict=True)
        ]
        count = len(host.parameter_shapes)
        vectors = [jnp.broadcast_to(a, (size, *a.shape[1:])) for a in arrays[count:]]
        results = call_host.bind(*arrays[:count], *vectors, host=host, batch=(size, *batch), **static)
        return results, [0] * len(results)

    call_host.def_abstract_eval(abstract_eval)
    call_host.def_impl(run_now)
    mlir.register_lowering(call_host, lower)
    ad.primitive_jvps[call_host] = jvp
    ad.primitive_transposes[call_host] = transpose
    batching.primitive_batchers[call_host] = vmap
    return call_host

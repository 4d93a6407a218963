"""A GAN written in Keras on TensorFlow, as the instruments see it."""

import contextlib

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from ..arrays import to_numpy
from .patient import Patient
from .records import Event, Layer, Update, exchange, tensors


class KerasPatient(Patient):
    """G and D are Keras models on TensorFlow; the step may be a ``tf.function``."""

    # --- what there is -------------------------------------------------------------------------

    def layers(self, player):
        """Yield (keras layer, Layer) of each layer, the model itself first."""
        model = self.players[player]
        for layer in model._flatten_layers():
            if isinstance(layer, layers.InputLayer):
                continue
            inner = [part for part in layer._flatten_layers(include_self=False)]
            role = ""
            if isinstance(layer, layers.BatchNormalization):
                role = "batch normalisation"
            elif isinstance(layer, (layers.Dropout, layers.SpatialDropout2D)):
                role = "dropout"
            weighs = any(len(w.shape) > 1 for w in layer.trainable_weights) and not inner
            title = player if layer is model else f"{player}.{layer.name}"
            yield layer, Layer(title, type(layer).__name__, role, not inner, weighs)

    def settings(self, player):
        """Yield (layer's name, setting, value) of what is easily set wrong."""
        for layer, about in self.layers(player):
            if "Norm" in about.kind and isinstance(getattr(layer, "epsilon", None), float):
                yield about.name, "eps", layer.epsilon
            if isinstance(layer, layers.LeakyReLU):
                yield about.name, "slope", float(layer.negative_slope)
            if about.role == "dropout":
                yield about.name, "rate", float(layer.rate)
            if about.role == "batch normalisation":
                yield about.name, "weight of the new batch", 1 - float(layer.momentum)

    def optimiser_settings(self, optimiser):
        """Return rate, betas and eps, as far as the optimiser has them."""
        found = {"rate": float(to_numpy(optimiser.learning_rate))}
        for attribute, name in (("epsilon", "eps"), ("beta_1", "beta1"), ("beta_2", "beta2")):
            if isinstance(value := getattr(optimiser, attribute, None), float):
                found[name] = value
        return found

    def norm_gain(self, layer):
        """Return the root mean square of a batch normalisation's gains; 1 without any."""
        found = next(k for k, about in self.layers(layer.name[0]) if about == layer)
        return float(np.sqrt(np.mean(np.square(to_numpy(found.gamma))))) if found.scale else 1.0

    def weights(self):
        """Return copies of all trainable weights by name."""
        return {name: np.array(to_numpy(variable)) for name, variable in self._named()}

    def frozen(self):
        """Return no name: what is not trainable is not among the weights."""
        return set()

    def _named(self):
        for player, model in self.players.items():
            seen = {}
            for variable in model.trainable_variables:
                count = seen[variable.path] = seen.get(variable.path, 0) + 1
                number = f"#{count}" if count > 1 else ""  # Two layers may share a name.
                yield f"{player}.{variable.path}{number}", variable

    # --- state ---------------------------------------------------------------------------------

    def keep(self):
        """Return the state of both networks, of what they train and of what trains them."""
        kept = [v for model in self.players.values() for v in model.variables]
        kept += [v for optimiser, _ in self.optimisers.values() for v in optimiser.variables]
        kept += [variable for variable, _ in self.others.values()]
        return [(variable, np.array(to_numpy(variable))) for variable in kept]

    def put_back(self, state):
        """Put a state of :meth:`keep` back."""
        known = {id(variable) for variable, _ in state}
        late = [pair for _, first in self.optimisers.values() for pair in first]
        late += list(self.others.values())
        for variable, value in state + [pair for pair in late if id(pair[0]) not in known]:
            variable.value.assign(value)

    def seed(self, seed):
        """Seed what the step or a network may draw from: Keras' own generators keep a state."""
        keras.utils.set_random_seed(seed)
        drawing = [
            variable
            for model in self.players.values()
            for variable in model.variables
            if "seed_generator_state" in variable.name
        ]
        with contextlib.suppress(ImportError):
            from keras.src.random.seed_generator import global_seed_generator

            drawing.append(global_seed_generator().state)
        for variable in drawing:
            variable.assign(np.array([seed, 0], dtype=variable.dtype))

    # --- tensors -------------------------------------------------------------------------------

    def tensor(self, array):
        """Return an array as a tensor."""
        return tf.constant(array)

    def constant(self, tensor):
        """Return a tensor without its gradient's path."""
        return tf.stop_gradient(tf.convert_to_tensor(tensor))

    def row_sums(self, tensor):
        """Return the sums over all axes but the first."""
        return tf.reduce_sum(tensor, axis=range(1, len(tensor.shape)))

    def like(self, tensor, other):
        """Return a tensor in the shape of another one."""
        return tf.reshape(tensor, other.shape)

    # --- watching ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def watching(self, run, alter, frozen):
        """Record calls, updates and modes of a step, which is carried out eagerly."""
        with contextlib.ExitStack() as undo:
            undo.callback(tf.config.run_functions_eagerly, tf.config.functions_run_eagerly())
            tf.config.run_functions_eagerly(True)
            for player, model in self.players.items():
                for layer, about in self.layers(player):
                    if about.role:
                        undo.enter_context(_exchanged_call(layer, self._mode_of(run, layer, about)))
                undo.enter_context(_exchanged_call(model, self._watch_of(run, alter, player)))
            apply = keras.optimizers.Optimizer.apply

            def watched_apply(optimiser, grads, trainable_variables=None):
                self._note(optimiser, trainable_variables)
                run.updates.append(self._update(optimiser, grads, trainable_variables))
                return None if frozen else apply(optimiser, grads, trainable_variables)

            undo.callback(setattr, keras.optimizers.Optimizer, "apply", apply)
            keras.optimizers.Optimizer.apply = watched_apply
            yield

    @staticmethod
    def _mode_of(run, layer, about):
        def call(original, *args, training=None, **kwargs):
            run.modes.setdefault(about.name, set()).add(bool(training) and layer.trainable)
            return original(*args, training=training, **kwargs)

        return call

    def _watch_of(self, run, alter, player):
        def call(original, *args, **kwargs):
            outputs = original(*args, **kwargs)
            training = kwargs.pop("training", None)
            kwargs.pop("mask", None)
            return self.record_call(run, alter, player, args, kwargs, training, outputs)

        return call

    def _note(self, optimiser, variables):
        """Remember the first state of an optimiser and of weights that only it knows."""
        if id(optimiser) in self.optimisers:
            return
        if variables is not None and not optimiser.built:
            optimiser.build(variables)
        first = [(v, np.array(to_numpy(v))) for v in optimiser.variables]
        self.optimisers[id(optimiser)] = optimiser, first
        ours = {id(variable) for _, variable in self._named()}
        for variable in variables or ():
            if id(variable) not in ours:
                self.others.setdefault(id(variable), (variable, np.array(to_numpy(variable))))

    def _update(self, optimiser, grads, variables):
        held = list(optimiser._trainable_variables if variables is None else variables)
        known = {id(variable): name for name, variable in self._named()}
        known |= {id(variable.value): name for name, variable in self._named()}
        names = [known.get(id(variable), "other") for variable in held]
        gradients = {
            name: None if grad is None else np.array(to_numpy(tf.convert_to_tensor(grad)))
            for name, grad in zip(names, grads, strict=True)
        }
        return Update(optimiser, names, gradients)

    @contextlib.contextmanager
    def traced(self, player, events):
        """Write down what goes into and comes out of each layer."""
        with contextlib.ExitStack() as undo:
            for layer, about in self.layers(player):

                def call(original, *args, about=about, **kwargs):
                    events.append(Event("in", about, self.first_rows(args)))
                    outputs = original(*args, **kwargs)
                    events.append(Event("out", about, self.first_rows(outputs)))
                    return outputs

                undo.enter_context(_exchanged_call(layer, call))
            yield

    def call(self, player, args, kwargs, training):
        """Call a player in a mode."""
        return self.players[player](*args, training=training, **kwargs)

    def input_gradients(self, call, training):
        """Return for each input the gradient of a weighting of all outputs, None for whole numbers.

        The weights are normal numbers, so that no two outputs cancel.
        """
        inputs = [self.tensor(array) for array in call.inputs]
        args, kwargs = exchange((call.args, call.kwargs), inputs)
        rng = np.random.default_rng(0)
        self.seed(0)
        floats = [tensor for tensor in inputs if tensor.dtype.is_floating]
        with tf.GradientTape() as tape:
            tape.watch(floats)
            outputs = tensors(self.call(call.player, args, kwargs, training))
            parts = [tf.reduce_sum(y * tf.cast(rng.normal(size=y.shape), y.dtype)) for y in outputs]
            total = tf.add_n(parts)
        found = iter(tape.gradient(total, floats, unconnected_gradients="zero"))
        self.restore()
        return [to_numpy(next(found)) if t.dtype.is_floating else None for t in inputs]

    @contextlib.contextmanager
    def changed(self, player, change, layer=None):
        """Exchange weights by ``change(array)``, those of a layer or all, within a block."""
        found = {about: keras_layer for keras_layer, about in self.layers(player)}
        for variable in (found[layer] if layer else self.players[player]).trainable_weights:
            variable.assign(change(self.numpy(variable)))
        with self.as_it_is():
            yield


@contextlib.contextmanager
def _exchanged_call(layer, call):
    """Put ``call(original, ...)`` in the place of a layer's own, on this layer alone."""
    own = vars(layer).get("call")
    original = layer.call
    layer.call = lambda *args, **kwargs: call(original, *args, **kwargs)
    try:
        yield
    finally:
        if own is None:
            del layer.call
        else:
            layer.call = own

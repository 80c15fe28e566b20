"""TensorFlow and Keras as tutorials write it."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


def dense_classifier():
    x_train = np.random.rand(32, 8).astype("float32")
    y_train = np.random.randint(0, 3, size=(32,))
    model = keras.Sequential(
        [layers.Input((8,)), layers.Dense(8, activation="relu"), layers.Dropout(0.2), layers.Dense(3)]
    )
    model.compile(
        optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    history = model.fit(x_train, y_train, epochs=1, batch_size=16, verbose=0, validation_split=0.25)
    loss = history.history["loss"][-1]
    logits = model.predict(x_train[:4], verbose=0)
    probs = tf.nn.softmax(logits).numpy()
    return loss, probs.argmax(axis=1)


def functional_api():
    inputs = keras.Input(shape=(8, 8, 1))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    x = layers.BatchNormalization()(x)
    shortcut = x
    x = layers.Conv2D(4, 3, padding="same")(x)
    x = layers.add([x, shortcut])
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(2, activation="softmax")(x)
    model = keras.Model(inputs=inputs, outputs=outputs, name="small")
    result = model(tf.zeros((2, 8, 8, 1)))
    encoder = keras.Model(inputs, x)
    features = encoder(np.ones((1, 8, 8, 1), dtype="float32"), training=False)
    return result.shape, features.numpy(), len(model.layers)


def custom_loop():
    tf.random.set_seed(0)
    model = keras.Sequential([layers.Dense(4, activation="tanh"), layers.Dense(1)])
    optimizer = keras.optimizers.SGD(learning_rate=0.01)
    loss_fn = keras.losses.MeanSquaredError()
    x = np.linspace(-1, 1, 16).reshape(-1, 1).astype(np.float32)
    y = x**2
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(16).batch(8).prefetch(tf.data.AUTOTUNE)
    total = tf.constant(0.0)
    for step, (xb, yb) in enumerate(dataset):
        with tf.GradientTape() as tape:
            pred = model(xb, training=True)
            loss = loss_fn(yb, pred)
        grads = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(grads, model.trainable_variables))
        total += loss
    mean = total / (step + 1)
    return float(mean), grads[0]


class Sampling(layers.Layer):
    def call(self, inputs):
        z_mean, z_log_var = inputs
        epsilon = tf.random.normal(shape=tf.shape(z_mean))
        return z_mean + tf.exp(0.5 * z_log_var) * epsilon


class Autoencoder(keras.Model):
    def __init__(self, latent=2, **kwargs):
        super().__init__(**kwargs)
        self.encoder = layers.Dense(8, activation="relu")
        self.mean = layers.Dense(latent)
        self.log_var = layers.Dense(latent)
        self.sampling = Sampling()
        self.decoder = keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(6)])
        self.tracker = keras.metrics.Mean(name="loss")

    def call(self, inputs):
        h = self.encoder(inputs)
        z_mean, z_log_var = self.mean(h), self.log_var(h)
        z = self.sampling((z_mean, z_log_var))
        kl = -0.5 * tf.reduce_mean(z_log_var - tf.square(z_mean) - tf.exp(z_log_var) + 1)
        self.add_loss(kl)
        return self.decoder(z)


def autoencoder():
    data = tf.random.uniform((16, 6))
    vae = Autoencoder()
    optimizer = keras.optimizers.Adam(1e-3)
    for start in range(0, 16, 8):
        batch = data[start : start + 8]
        with tf.GradientTape() as tape:
            reconstruction = vae(batch)
            error = tf.reduce_mean(tf.square(batch - reconstruction))
            error += sum(vae.losses)
        gradients = tape.gradient(error, vae.trainable_weights)
        optimizer.apply_gradients(zip(gradients, vae.trainable_weights))
        vae.tracker.update_state(error)
    return vae.tracker.result()


class BestEpoch(keras.callbacks.Callback):
    def __init__(self, monitor="loss"):
        super().__init__()
        self.monitor = monitor
        self.best = np.inf

    def on_epoch_end(self, epoch, logs=None):
        current = logs.get(self.monitor)
        if np.less(current, self.best):
            self.best = current


def callbacks():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.RMSprop(1e-2), loss="mse")
    best = BestEpoch()
    stopping = keras.callbacks.EarlyStopping(monitor="loss", patience=1)
    model.fit(np.ones((8, 3)), np.zeros((8, 1)), epochs=2, verbose=0, callbacks=[best, stopping])
    weights = model.get_weights()
    kernel = model.layers[0].kernel
    return best.best, weights[0], kernel


def tensor_operations():
    a = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    b = tf.ones_like(a)
    c = tf.matmul(a, b) + a @ b
    mask = c > 6
    picked = tf.boolean_mask(c, mask)
    total = tf.reduce_sum(c, axis=1)
    row = c[0]
    v = tf.Variable(tf.zeros((2, 2)), trainable=True)
    v.assign_add(b)
    depth = tf.one_hot([0, 1], 3)
    norm = tf.norm(a)
    cast = tf.cast(mask, tf.float32)
    accuracy = tf.reduce_mean(cast)
    joined = tf.concat([a, b], axis=0)
    shape = joined.shape
    flat = tf.reshape(joined, [-1])
    index = tf.argmax(flat)
    return picked, total, row, v.numpy(), depth, norm, accuracy, shape, index


def input_pipeline():
    images = np.random.rand(12, 4, 4, 3)
    labels = np.arange(12) % 3

    def augment(image, label):
        image = tf.image.random_flip_left_right(image)
        image = tf.cast(image, tf.float32) / 255.0
        return image, tf.one_hot(label, 3)

    train = tf.data.Dataset.from_tensor_slices((images, labels))
    train = train.map(augment, num_parallel_calls=tf.data.AUTOTUNE)
    train = train.cache().batch(4)
    shapes = []
    for image_batch, label_batch in train.take(2):
        shapes.append(image_batch.shape)
        count = tf.reduce_sum(label_batch, axis=0)
    first = next(iter(train))
    return shapes, count, first[0]

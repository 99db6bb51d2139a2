// SPDX-License-Identifier: Apache-2.0

// `ObjectCode.testObjects`: the programs of bpf/tests, compiled and embedded for the tests and in no product.

//go:build !amd64 || noasm

package linalg

var available = []kernels{portable}

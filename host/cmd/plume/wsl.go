//go:build !unix

// Command plume runs on Linux and macOS, and on Windows in the Windows Subsystem for Linux.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "plume runs on Linux and macOS. On Windows, install WSL (wsl --install), and plume in its terminal as on Linux.")
	os.Exit(1)
}

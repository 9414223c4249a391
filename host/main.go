// Command plume runs data assimilation experiments written in TOML over models,
// observation operators and filters that are processes of their own.
package main

import (
	"os"

	"github.com/plume-da/plume/host/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr))
}

//go:build unix

// Command plume runs data assimilation experiments written in TOML over models,
// observation operators and filters that are processes of their own. The plugins of
// this project are part of it: started as
//
//	plume plugin NAME
//
// it is such a process.
package main

import (
	"os"

	"github.com/plume-da/plume/host/internal/cli"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/sdk/serve"
)

//go:generate go test ../.. -run Builtin -update

func main() {
	if len(os.Args) == 3 && os.Args[1] == "plugin" && builtin[os.Args[2]] != nil {
		_ = os.WriteFile("/proc/self/comm", []byte(os.Args[2]), 0) // its name for ps, top and pkill, on Linux
		serve.Main(builtin[os.Args[2]]())
	}
	launch.Builtin(builtin, os.Executable)
	os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr))
}

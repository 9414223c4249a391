package launch

import (
	"context"
	"slices"
	"sync"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rpc"
)

// builtin are the plugins that are part of this program, by name, and the program that
// serves them, without a name and without arguments.
var builtin struct {
	plugins map[string]func() (*sdk.Plugin, error)
	program func() (*Program, error)
}

// Builtin makes plugins part of this program, by name. program returns the path of the
// program that serves the one called NAME when its arguments are "plugin" and NAME:
// this one, except in tests. Builtin is called once, before any plugin is looked for.
func Builtin(plugins map[string]func() (*sdk.Plugin, error), program func() (string, error)) {
	builtin.plugins = plugins
	builtin.program = sync.OnceValues(func() (*Program, error) {
		file, err := program()
		if err != nil {
			return nil, sdk.Errorf(sdk.KindPlugin, "built-in plugins", "cannot find this program: %v", err)
		}
		p := &Program{Name: "plume", found: true, Command: []string{file}, files: []string{file}}
		p.sum = sync.OnceValues(p.checksum) // of a large file: once for all plugins, and only for what records it
		return p, nil
	})
}

// findBuiltin returns the program of the built-in plugin called name, or nil when there
// is none.
func findBuiltin(name string) (*Program, error) {
	if builtin.plugins[name] == nil {
		return nil, nil
	}
	self, err := builtin.program()
	if err != nil {
		return nil, err
	}
	p := *self
	p.Name, p.Command = name, slices.Concat(self.Command, []string{"plugin", name})
	return &p, nil
}

// InProcess returns the built-in plugin called name, to be run in this process, or nil
// when there is none or it needs a process of its own. Its calls stay in this process:
// what would end its process ends this one, and a call that misses its deadline is not
// waited for, but runs on. Its checksum is that of this program.
func InProcess(name string) (*Program, error) {
	p, err := findBuiltin(name)
	if p == nil || err != nil {
		return nil, err
	}
	p.Command = p.Command[:1]
	if p.linked, err = builtin.plugins[name](); err != nil || p.linked.Manifest.External {
		return nil, err
	}
	return p, nil
}

// startLinked makes a plugin of this program look like one in a process.
func startLinked(ctx context.Context, program *Program) (*Process, error) {
	p := &Process{program: program, runner: newChildRunner(program, &tail{})}
	var called context.Context
	called, p.cutLifeline = context.WithCancel(context.Background())
	var err error
	if p.plugin, err = rpc.Describe(ctx, rpc.Local(called, program.linked)); err != nil {
		p.cutLifeline()
		return nil, err
	}
	if !p.plugin.Manifest.Threading.ConcurrentCalls {
		p.mutex = make(chan struct{}, 1)
	}
	return p, nil
}

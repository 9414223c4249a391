package launch

import (
	"context"
	"fmt"
	"os"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rpc"
)

// linked are the plugins that are part of this program, by name.
var linked = map[string]*sdk.Plugin{}

// Link makes a plugin part of this program. It takes what [sdk.ModelPlugin] and its
// kin return, and is for init functions. A plugin that is broken is a panic.
func Link(p *sdk.Plugin, err error) {
	if err != nil {
		panic(fmt.Sprintf("a linked plugin is broken: %v", err))
	}
	linked[p.Manifest.Name] = p
}

// HasLinked says whether any plugin is part of this program.
func HasLinked() bool { return len(linked) > 0 }

// Linked returns the plugin called name that is part of this program, or nil when
// none is. Its calls stay in this process: what would end its process ends this one,
// and a call that misses its deadline is not waited for, but runs on. Its checksum is
// that of this program.
func Linked(name string) (*Program, error) {
	p := linked[name]
	if p == nil {
		return nil, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, sdk.Errorf(sdk.KindPlugin, "plugin "+name, "cannot find this program: %v", err)
	}
	return newProgram(&Program{Name: name, Command: []string{self}, linked: p, found: true}, []string{self})
}

// startLinked makes a plugin of this program look like one in a process.
func startLinked(ctx context.Context, program *Program) (*Process, error) {
	p := &Process{program: program, runner: newChildRunner(program, &tail{})}
	var err error
	if p.plugin, err = rpc.Describe(ctx, rpc.Local(program.linked)); err != nil {
		return nil, err
	}
	if !p.plugin.Manifest.Threading.ConcurrentCalls {
		p.mutex = make(chan struct{}, 1)
	}
	return p, nil
}

package remote

import (
	"fmt"
	"strings"
	"time"

	"github.com/plume-da/plume/host/internal/launch"
)

// Asked is what an executor asks for each replica of a plugin.
type Asked struct {
	Cores   int      `json:"cores,omitempty"` // 0: what the engine gives, as for the others
	Memory  int64    `json:"memory,omitempty"`
	Seconds int64    `json:"seconds,omitempty"`
	GPUs    int      `json:"gpus,omitempty"`
	Command []string `json:"command"`          // that starts it, or submits the script
	Script  string   `json:"script,omitempty"` // of a job
}

// Asks returns what e asks for each replica of plugin.
func (e *Executor) Asks(plugin string) Asked {
	t := e.newTry(&launch.Program{Name: plugin})
	a := Asked{Cores: t.Cores, Memory: int64(t.Memory), Seconds: t.Time.Seconds(), GPUs: t.GPUs}
	if e.recipe.attached() {
		a.Command = e.recipe.words(e.recipe.Start, t)
		return a
	}
	t.File, t.Log = t.Name+".sh", t.Name+".log"
	t.Command = append(t.Command, "--join", t.Name+".join")
	a.Command, a.Script = e.recipe.words(e.recipe.Submit, t), e.recipe.text(e.recipe.Script, t)
	return a
}

// String lists the resources, such as "4 cores, 10.0 GB, 2h0m0s, 1 GPU".
func (a Asked) String() string {
	var parts []string
	add := func(given bool, format string, value any) {
		if given {
			parts = append(parts, fmt.Sprintf(format, value))
		}
	}
	add(a.Cores == 1, "%d core", a.Cores)
	add(a.Cores > 1, "%d cores", a.Cores)
	add(a.Memory > 0, "%.1f GB", float64(a.Memory)/1e9)
	add(a.Seconds > 0, "%v", time.Duration(a.Seconds)*time.Second)
	add(a.GPUs == 1, "%d GPU", a.GPUs)
	add(a.GPUs > 1, "%d GPUs", a.GPUs)
	if len(parts) == 0 {
		return "what the engine gives"
	}
	return strings.Join(parts, ", ")
}

package remote

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
)

// Executor starts plugins on other machines, as an executor of a site says. It is safe for
// concurrent use.
type Executor struct {
	name   string
	site   *workflow.Executor
	recipe *recipe
	plume  string // the path of plume on a node
	self   string // and here
	id     string // begins the names of its jobs

	mu      sync.Mutex
	started int // tries
	nodes   map[string]*health
	hub     *hub   // nil: no job has been submitted yet
	queued  []*try // that have not begun to run
	running int    // that have, and have not ended
	notice  *time.Timer

	version string                // of plume; empty: any is as good
	say     func(sentence string) // nil: nobody wants to know what waits

	ends sync.WaitGroup // launchers and jobs that are being ended
}

var _ launch.Executor = (*Executor)(nil)

// health is what is known about a node.
type health struct {
	faults int // starts in a row that failed there
	works  bool
}

// New returns the executor that a site calls name. An error says what is wrong with it.
func New(name string, site *workflow.Executor) (*Executor, error) {
	r, err := newRecipe(site)
	if err != nil {
		return nil, err
	}
	if slices.Contains(r.Start, "{{.Host}}") && len(site.Hosts) == 0 {
		return nil, fmt.Errorf("it needs hosts, the machines that it may use")
	}
	if _, _, err := portRange(site.Ports); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	id := make([]byte, 3)
	_, _ = rand.Read(id) // never fails
	return &Executor{
		name: name, site: site, recipe: r, self: self, plume: cmp.Or(site.Plume, self),
		id: "plume-" + hex.EncodeToString(id), nodes: map[string]*health{},
	}, nil
}

// Start implements [launch.Executor].
func (e *Executor) Start(ctx context.Context, program *launch.Program, env []string) (launch.Child, error) {
	t := e.newTry(program)
	defer e.wait(t)()
	var l *line
	var err error
	if e.recipe.attached() {
		l, err = e.attach(t)
	} else {
		l, err = e.submit(ctx, t)
	}
	if err != nil {
		return nil, err
	}
	c := newChild(e, t, l)
	c.own = program.Command[0] == e.self && !program.Peer // a peer compares more
	request := e.request(program, env)
	if err := c.to.send(message{Run: &request}); err != nil { // the launcher has ended; what it says is read
		_ = l.in.Close()
	}
	go c.read()
	select {
	case <-c.ready:
		return c, nil
	case <-c.ended:
		if closed(c.ready) { // it has ended at once
			return c, nil
		}
		return nil, e.refused(t, c)
	case <-ctx.Done():
		c.Kill()
		return nil, ctx.Err()
	}
}

// Require makes e refuse nodes that have another version of plume for plugins that are a part
// of it: results could differ. It is called before Start.
func (e *Executor) Require(version string) { e.version = version }

// newTry returns the values of another start of program.
func (e *Executor) newTry(program *launch.Program) *try {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.started++
	t := &try{
		Name: fmt.Sprintf("%s-%s-%d", e.id, program.Name, e.started), Command: []string{e.plume, "node-exec"}, Args: e.site.Args,
		Cores: e.site.Cores, Memory: Memory(e.site.Memory.Bytes()), Time: Span(e.site.Time), GPUs: e.site.GPUs, judged: program.Peer,
	}
	bad := e.bad()
	t.Exclude = strings.Join(bad, ",")
	hosts := slices.DeleteFunc(slices.Clone(e.site.Hosts), func(h string) bool { return slices.Contains(bad, h) })
	if len(hosts) > 0 {
		t.Host = hosts[(e.started-1)%len(hosts)]
	}
	return t
}

// faultsToExclude is how many starts must fail on a node, one after the other, until it is
// left out.
const faultsToExclude = 2

// bad returns the nodes where nothing starts, while something does on others, sorted.
// A node that fails at once would be given every replica that is started again.
func (e *Executor) bad() []string {
	var names []string
	works := false
	for name, h := range e.nodes {
		works = works || h.works
		if h.faults >= faultsToExclude {
			names = append(names, name)
		}
	}
	if !works {
		return nil // it is more likely the plugin
	}
	slices.Sort(names)
	return names
}

// count adds to the number of those that run.
func (e *Executor) count(more int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running += more
}

// learn records whether a plugin has started on a node.
func (e *Executor) learn(node string, works bool) {
	if node == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	h := e.nodes[node]
	if h == nil {
		h = &health{}
		e.nodes[node] = h
	}
	h.works = works
	if h.faults++; works {
		h.faults = 0
	}
}

// request returns what a node is told about program.
func (e *Executor) request(program *launch.Program, env []string) request {
	r := request{
		Protocol: protocol, Name: program.Name, Command: slices.Clone(program.Command), Dir: program.Dir, Peer: program.Peer, Cores: e.site.Cores,
		Hosts: addresses(), Interface: e.site.Interface, Ports: e.site.Ports,
	}
	if r.Command[0] == e.self {
		r.Command[0] = e.plume
	}
	for _, v := range env {
		switch name, value, _ := strings.Cut(v, "="); name {
		case "PLUGIN_CLIENT_CERT":
			r.Certificate = value
		case "PLUME_LISTEN", "PLUGIN_UNIX_SOCKET_DIR", "TMPDIR", "GOMAXPROCS": // they are about this machine
		default:
			r.Env = append(r.Env, v)
		}
	}
	r.Env = append(r.Env, e.site.Env...)
	return r
}

// addresses returns the addresses of this machine that others may reach.
func addresses() []string {
	all, _ := net.InterfaceAddrs()
	return reachable(all)
}

// reachable returns those of all addresses that other machines may reach.
func reachable(all []net.Addr) []string {
	var list []string
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			list = append(list, n.IP.String())
		}
	}
	return list
}

// refused says why a plugin was not started: its child has ended and was never ready.
func (e *Executor) refused(t *try, c *child) error {
	exit := c.exit
	err := sdk.Errorf(sdk.KindResource, "", "executor %s did not start it: %s", e.name, exit.What)
	err.Hint = exit.Hint
	if line := e.recipe.hopeless(c.said.String()); line != "" {
		return e.never(err, line)
	}
	node := c.place.Node // if another version of plume is there
	if e.recipe.fault != nil && node == "" {
		if found := e.recipe.fault.FindStringSubmatch(c.said.String()); len(found) > 1 {
			node = found[1]
		}
	}
	e.learn(cmp.Or(node, t.Host), false)
	if said := c.said.String(); strings.Contains(said, "No such file or directory") || strings.Contains(said, "not found") {
		err.Hint = fmt.Sprintf("%s must be on the node: on a file system that the machines share, or at the path that plume says in the site file", e.plume)
	}
	return err
}

// never says that err, of which the engine has said why, comes again with another try.
func (e *Executor) never(err *sdk.Error, why string) *sdk.Error {
	if !strings.Contains(err.What, why) {
		err.What += ": " + why
	}
	err.Cause = launch.ErrPermanent
	return err.WithHint("correct what the engine is asked for: the keys of the executor in the site file, such as args")
}

// line is the connection to a node, and how to end what holds it.
type line struct {
	in   io.WriteCloser
	out  io.ReadCloser
	also io.ReadCloser   // what the launcher says; nil: nothing
	exit func() string   // waits for the end of the launcher or job, and says how it ended
	end  func(said bool) // ends it, and returns when that is done; said: the node has said that it ends
}

// attach runs the command of the recipe that stays attached.
func (e *Executor) attach(t *try) (*line, error) {
	argv := e.recipe.words(e.recipe.Start, t)
	file, err := exec.LookPath(argv[0])
	if err != nil {
		return nil, e.missing(err)
	}
	launcher, stdin, err := launch.Piped(&launch.Program{Name: t.Name, Command: append([]string{file}, argv[1:]...)}, os.Environ())
	if err != nil {
		return nil, err
	}
	var how launch.Exit
	gone := make(chan struct{})
	go func() {
		how = launcher.Wait()
		close(gone)
	}()
	within := func(d time.Duration) bool {
		select {
		case <-gone:
			return true
		case <-time.After(d):
			return false
		}
	}
	return &line{
		in: stdin, out: launcher.Stdout(), also: launcher.Stderr(),
		exit: func() string {
			<-gone
			return filepath.Base(argv[0]) + " " + how.What
		},
		end: func(bool) {
			_ = stdin.Close()
			if within(time.Second) {
				return
			}
			if launcher.Terminate(); within(3 * time.Second) {
				return
			}
			launcher.Kill()
			within(time.Second)
		},
	}, nil
}

// missing says that a command of the engine cannot be run.
func (e *Executor) missing(err error) *sdk.Error {
	absent := sdk.Errorf(sdk.KindResource, "", "executor %s: %v", e.name, err).
		WithHint("load the module of the engine, or name its programs by their paths in the site file")
	if errors.Is(err, exec.ErrNotFound) { // on the path of this process, which stays as it is
		absent.Cause = launch.ErrPermanent
	}
	return absent
}

// closeTime is how long Close waits for launchers and jobs to end.
const closeTime = 10 * time.Second

// Close waits until the launchers and jobs of e have ended, though not forever.
func (e *Executor) Close() error {
	all := make(chan struct{})
	go func() {
		e.ends.Wait()
		close(all)
	}()
	var err error
	select {
	case <-all:
	case <-time.After(closeTime):
		err = fmt.Errorf("executor %s: jobs called %s-... may be left", e.name, e.id)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.hub != nil {
		e.hub.close()
	}
	return err
}

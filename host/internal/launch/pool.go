package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/plume-da/plume/sdk"
)

// Options says how plugins are started. The zero value is fine.
type Options struct {
	// StartTimeout is how long a plugin may take until it has described itself;
	// 0: a minute, which is enough for programs that load large libraries.
	StartTimeout time.Duration
	// Env holds additions to the environment of plugins, "NAME=value". Of the
	// host's own environment they see a short list of variables only.
	Env []string
	// Executor starts the programs that have none of their own; nil: [Here].
	Executor Executor
	// Meter measures how busy the replicas on other machines are; nil: nothing does.
	Meter *Meter
	// Log receives what plugins log and every line they write to standard error;
	// nil: it is dropped. Log is called from several goroutines at once.
	Log func(Record)
}

// LevelStderr is the level of a record that is a line of standard error or
// output.
const LevelStderr = "stderr"

// Record is a log record of a plugin, or a line of its output.
type Record struct {
	Plugin  string
	Level   string // debug, info, warn, error or LevelStderr
	Message string // one line
	Fields  map[string]string
}

func (o *Options) log(r Record) {
	if o.Log != nil {
		o.Log(r)
	}
}

// Pool owns the plugin processes of one host. All who ask for the same program share
// its processes. A Pool is safe for concurrent use.
type Pool struct {
	options Options
	sockets string   // the directory of all sockets, readable by this user alone
	claim   *os.File // on it

	mu       sync.Mutex
	slots    map[string][]*slot // by program
	closed   bool
	killed   context.Context // ends the starts that are under way
	kill     context.CancelFunc
	cleanups sync.WaitGroup // processes that were replaced and are being cleared away
}

// NewPool returns an empty pool. Close it when plugins are no longer needed.
func NewPool(o Options) (*Pool, error) {
	if o.StartTimeout == 0 {
		o.StartTimeout = time.Minute
	}
	if o.Executor == nil {
		o.Executor = Here
	}
	sockets, claim, err := socketDir()
	if err != nil {
		return nil, sdk.Errorf(sdk.KindResource, "plugin sockets", "cannot make a directory: %v", err)
	}
	killed, kill := context.WithCancel(context.Background())
	p := &Pool{options: o, sockets: sockets, claim: claim, slots: map[string][]*slot{}, killed: killed, kill: kill}
	pools.Store(p, nil)
	return p, nil
}

// pools are those that have not been closed.
var pools sync.Map

// KillAll kills every pool of this program, see [Pool.Kill].
func KillAll() {
	var kills sync.WaitGroup
	pools.Range(func(p, _ any) bool {
		kills.Go(p.(*Pool).Kill)
		return true
	})
	kills.Wait()
}

// Start returns the first process that runs program, which it starts unless it has
// been started before. It returns when the plugin has described itself. ctx is
// for the start alone. An error names the plugin and says why it does not run.
func (p *Pool) Start(ctx context.Context, program *Program) (*Process, error) {
	first := p.slotsOf(program, 1)[0]
	p.mu.Lock()
	slots := slices.Clone(p.slots[program.key()])
	p.mu.Unlock()
	if i := firstUp(slots); i > 0 {
		first = slots[i] // those on other machines come in any order
	}
	return first.process(ctx, false)
}

// key returns what tells a program from others.
func (p *Program) key() string {
	id := append([]string{p.Dir, fmt.Sprint(p.TCP), fmt.Sprintf("%p", p.Executor)}, p.Command...)
	if p.linked != nil {
		id = append(id, p.Name) // linked plugins are all the same program
	}
	return strings.Join(id, "\x00")
}

// slotsOf returns the first n slots of program, which get equal shares of the
// processors if they are made here.
func (p *Pool) slotsOf(program *Program, n int) []*slot {
	key := program.key()
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.slots[key]) < n {
		p.slots[key] = append(p.slots[key], newSlot(p, program, n))
	}
	return p.slots[key][:n]
}

// Close stops all processes, in parallel, and removes the directory of their
// sockets. It takes a few seconds at most, unless the kernel takes long to end a process
// that was killed. An error says what is left; it is no reason to doubt a result.
func (p *Pool) Close() error {
	defer pools.Delete(p)
	starts := p.close()
	errs := make([]error, len(starts))
	var stops sync.WaitGroup
	for i, s := range starts {
		stops.Go(func() {
			if s.cancel != nil { // it may wait for a place
				s.cancel()
			}
			<-s.done
			if s.process != nil {
				errs[i] = s.process.stop()
			}
		})
	}
	stops.Wait()
	p.cleanups.Wait()
	p.kill() // nothing is left
	return errors.Join(errors.Join(errs...), os.RemoveAll(p.sockets), p.release())
}

// release gives up the claim on the directory of the sockets. It may be called again.
func (p *Pool) release() error {
	if p.claim == nil {
		return nil
	}
	if err := p.claim.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// killTime is how long Kill waits for the kernel to end what it has killed.
const killTime = 500 * time.Millisecond

// Kill ends all processes at once, without asking them, gives up those that are
// being started, and removes the directory of their sockets. It returns within
// about half a second and may be called at any time, in particular while Close
// waits for a plugin; it is for a program that has to exit now. Calls under way
// fail, and no more processes are started. Close may still be called.
func (p *Pool) Kill() {
	starts := p.close()
	p.kill()
	var kills sync.WaitGroup
	for _, s := range starts {
		kills.Go(func() {
			<-s.done
			if s.process != nil {
				s.process.kill("plume ended it")
			}
		})
	}
	all := make(chan struct{})
	go func() {
		kills.Wait()
		close(all)
	}()
	select {
	case <-all:
	case <-time.After(killTime):
	}
	_ = os.RemoveAll(p.sockets) // what cannot be removed is not worth waiting for
}

// close prevents further starts, and returns the last start of every slot.
func (p *Pool) close() []*start {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var starts []*start
	for _, slots := range p.slots {
		for _, slot := range slots {
			if slot.now != nil {
				starts = append(starts, slot.now)
			}
		}
	}
	return starts
}

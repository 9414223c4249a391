package grpc4bmi

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/plume-da/plume/sdk"
)

// pool is the servers of a command, or those that run already. Each remembers what was done with
// its model: a member that goes on from there need not begin again.
type pool struct {
	command []string
	dir     string
	restart bool

	mu    sync.Mutex
	most  int // servers, at least one
	clock int
	made  int
	idle  []*server
	freed chan struct{} // is closed and made again whenever a server becomes idle
}

// pools are those of this process: truth and ensemble, and the trials of an experiment, share them.
var pools struct {
	sync.Mutex
	byKey map[string]*pool
}

// poolOf returns the pool for the servers that m names.
func poolOf(m *model) (*pool, error) {
	key, err := json.Marshal([]any{m.dir, m.Command, m.Addresses, m.Config, m.Restart})
	if err != nil {
		return nil, sdk.Errorf(sdk.KindContract, "command", "%v", err)
	}
	pools.Lock()
	defer pools.Unlock()
	if p := pools.byKey[string(key)]; p != nil {
		return p, nil
	}
	p := &pool{command: m.Command, dir: m.dir, restart: m.Restart, most: max(1, m.Servers), freed: make(chan struct{})}
	for _, address := range m.Addresses {
		s, err := connect(address)
		if err != nil {
			return nil, err
		}
		p.idle = append(p.idle, s)
		p.made++
	}
	if pools.byKey == nil {
		pools.byKey = map[string]*pool{}
	}
	pools.byKey[string(key)] = p
	return p, nil
}

// allow lets the pool have as many servers, unless they run already.
func (p *pool) allow(most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.command) > 0 {
		p.most = max(p.most, most)
	}
}

// take returns a server whose model is where h has led it, or else one that nobody will miss: it
// has to begin again.
func (p *pool) take(ctx context.Context, h history) (*server, error) {
	for {
		p.mu.Lock()
		p.clock++
		best := -1
		for i, s := range p.idle {
			if s.known && s.done == h {
				best = i
				break
			}
			if best < 0 || oftener(p.idle[best], s) {
				best = i
			}
		}
		found := best >= 0 && p.idle[best].known && p.idle[best].done == h
		if !found && p.made < p.most && len(p.command) > 0 && (best < 0 || p.idle[best].known) {
			p.made++
			p.mu.Unlock()
			s, err := start(ctx, p.command, p.dir)
			if err != nil {
				p.lose()
			}
			return s, err
		}
		if best >= 0 {
			s := p.idle[best]
			p.idle = append(p.idle[:best], p.idle[best+1:]...)
			p.mu.Unlock()
			return s, nil
		}
		freed := p.freed
		p.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// oftener reports whether a is of more use than b: where it is known, and then how lately it was used.
func oftener(a, b *server) bool {
	if a.known != b.known {
		return a.known
	}
	return a.used > b.used
}

// give takes a server back, of which done is what was done with its model.
func (p *pool) give(s *server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clock++
	s.used = p.clock
	p.idle = append(p.idle, s)
	p.wake()
}

// drop ends a server that this plugin has started, and takes back one that it has not.
func (p *pool) drop(s *server) {
	if s.own == nil {
		s.initialised, s.known = false, false
		p.give(s)
		return
	}
	s.end()
	p.lose()
}

// lose counts one server less.
func (p *pool) lose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made--
	p.wake()
}

func (p *pool) wake() {
	close(p.freed)
	p.freed = make(chan struct{})
}

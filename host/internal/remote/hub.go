package remote

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rpc"
)

// hub is where the jobs of an executor call back.
type hub struct {
	listener  net.Listener
	dir       string   // of the files of jobs, on a file system that the machines share
	parent    string   // that is removed when it is empty; "": it is the user's
	addresses []string // at which it is reached, with the port
	pair      tls.Certificate
	guard     io.Closer // its end says that the jobs are over

	mu      sync.Mutex
	waiting map[string]chan net.Conn // by token
}

// invitation is what a job must know to call back, and to be believed. It is a file that
// nobody else may read.
type invitation struct {
	Addresses   []string
	Certificate []byte // of the host, which the job accepts alone
	Token       string // of the job, good for one call
}

// openHub returns the hub of e, which it opens for the first job.
func (e *Executor) openHub() (*hub, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.hub != nil {
		return e.hub, nil
	}
	h := &hub{dir: filepath.Join(e.site.Shared, e.id), waiting: map[string]chan net.Conn{}}
	if e.site.Shared == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		h.parent = filepath.Join(home, ".plume")
		h.dir = filepath.Join(h.parent, e.id)
	}
	var err error
	if h.pair, err = launch.SelfSigned(x509.ExtKeyUsageServerAuth); err != nil {
		return nil, err
	}
	if h.listener, err = listen("", e.site.Ports); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return nil, errors.Join(err, h.listener.Close())
	}
	port := strconv.Itoa(h.listener.Addr().(*net.TCPAddr).Port)
	for _, ip := range append(addresses(), "127.0.0.1") {
		h.addresses = append(h.addresses, net.JoinHostPort(ip, port))
	}
	if h.guard, err = h.startGuard(e.self); err != nil {
		return nil, errors.Join(err, h.listener.Close(), os.RemoveAll(h.dir))
	}
	go accept(h.listener, h.answer)
	e.hub = h
	return h, nil
}

func (h *hub) close() {
	_ = h.listener.Close()
	_ = os.RemoveAll(h.dir)
	if h.parent != "" {
		_ = syscall.Rmdir(h.parent) // unless other runs use it, or it is a link
	}
	_ = h.guard.Close()
}

// answer gives a call to who waits for its token.
func (h *hub) answer(tcp net.Conn) {
	conn := tls.Server(tcp, &tls.Config{Certificates: []tls.Certificate{h.pair}, MinVersion: tls.VersionTLS13})
	_ = conn.SetDeadline(time.Now().Add(lease))
	token := make([]byte, 2*tokenBytes)
	if _, err := io.ReadFull(conn, token); err != nil {
		_ = conn.Close()
		return
	}
	_ = conn.SetDeadline(time.Time{})
	h.mu.Lock()
	defer h.mu.Unlock()
	caller := h.waiting[string(token)]
	if caller == nil {
		_ = conn.Close()
		return
	}
	delete(h.waiting, string(token))
	caller <- conn // there is room for one
}

const tokenBytes = 32

// expected is a job that may call back: it finds an invitation in file.
type expected struct {
	hub         *hub
	token, file string
	call        chan net.Conn
}

// expect writes the file that lets a job called name call back. Unless there is an error,
// forget must follow.
func (h *hub) expect(name string) (*expected, error) {
	secret := make([]byte, tokenBytes)
	_, _ = rand.Read(secret) // never fails
	x := &expected{hub: h, token: hex.EncodeToString(secret), file: filepath.Join(h.dir, name+".join"), call: make(chan net.Conn, 1)}
	text, err := json.Marshal(invitation{h.addresses, h.pair.Certificate[0], x.token})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(x.file, text, 0o600); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting[x.token] = x.call
	return x, nil
}

// forget removes the invitation, and hangs up on a call that nobody has taken.
func (x *expected) forget() {
	_ = os.Remove(x.file)
	x.hub.mu.Lock()
	defer x.hub.mu.Unlock()
	delete(x.hub.waiting, x.token)
	select {
	case conn := <-x.call:
		_ = conn.Close()
	default:
	}
}

// join calls the host that an invitation names.
func join(file string) (net.Conn, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the host is gone, or %s is not on a file system that the machines share: %w", file, err)
	}
	var to invitation
	if err := json.Unmarshal(text, &to); err != nil {
		return nil, err
	}
	config := &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, VerifyPeerCertificate: rpc.OnlyWith(to.Certificate),
	}
	var faults []error
	for _, address := range to.Addresses {
		dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAliveConfig: alive}
		conn, err := tls.DialWithDialer(dialer, "tcp", address, config)
		if err == nil {
			_, err = io.WriteString(conn, to.Token)
			return conn, err
		}
		faults = append(faults, err)
	}
	return nil, fmt.Errorf("cannot reach the host: %w", errors.Join(faults...))
}

// submit submits a job and waits until it calls back.
func (e *Executor) submit(ctx context.Context, t *try) (*line, error) {
	h, err := e.openHub()
	if err != nil {
		return nil, sdk.Errorf(sdk.KindResource, "", "executor %s: cannot wait for jobs: %v", e.name, err)
	}
	job, err := h.expect(t.Name)
	if err != nil {
		return nil, sdk.Errorf(sdk.KindResource, "", "executor %s: %v", e.name, err)
	}
	defer job.forget()
	e.ends.Add(1) // a job that is being submitted is cancelled, if it comes to that, before Close returns
	defer e.ends.Done()
	t.Command = append(t.Command, "--join", job.file)
	t.File, t.Log = filepath.Join(h.dir, t.Name+".sh"), filepath.Join(h.dir, t.Name+".log")
	if err := os.WriteFile(t.File, []byte(e.recipe.text(e.recipe.Script, t)), 0o700); err != nil {
		return nil, sdk.Errorf(sdk.KindResource, "", "executor %s: %v", e.name, err)
	}
	if err := e.hand(ctx, t, h.dir); err != nil {
		return nil, err
	}
	if t.ID != "" {
		if err := h.record(t, e.recipe.words(e.recipe.Cancel, t)); err != nil {
			e.cancel(t)
			return nil, sdk.Errorf(sdk.KindResource, "", "executor %s: %v", e.name, err)
		}
	}
	conn, err := e.called(ctx, t, job.call)
	h.forget(t) // once it runs, it ends when its host does
	if err != nil {
		e.cancel(t)
		return nil, err
	}
	return &line{
		in: conn, out: conn,
		exit: func() string {
			how := "its connection ended"
			text, _ := ending(t.Log)
			if last := lastLine(text); last != "" {
				how += ": " + last
			}
			return how
		},
		end: func(said bool) {
			_ = conn.Close()
			if !said {
				e.cancel(t)
			}
			_ = os.Remove(t.File)
		},
	}, nil
}

// submitTime is how long a submission may take after the run has been stopped: one that is
// killed may have put a job into the queue, whose number is then not known.
const submitTime = 3 * time.Second

// hand runs the command in dir that submits the job of t. The number of the job is in what
// it writes to standard output; warnings of a site are on the other.
func (e *Executor) hand(ctx context.Context, t *try, dir string) error {
	argv := e.recipe.words(e.recipe.Submit, t)
	later, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(submitTime, kill) })()
	command := launch.Grouped(later, argv)
	command.Dir = dir
	var out, warnings beginning
	command.Stdout, command.Stderr = &out, &warnings
	err := command.Run()
	var ended *exec.ExitError
	all := slices.Concat(out.text, warnings.text)
	said := lastLine(all)
	switch {
	case later.Err() != nil:
		return ctx.Err()
	case errors.As(err, &ended):
		why := e.recipe.hopeless(string(all))
		refused := sdk.Errorf(sdk.KindResource, "", "executor %s: %s refused the job: %v: %s", e.name, argv[0], err, cmp.Or(why, said, "it does not say why"))
		if why != "" {
			return e.never(refused, why)
		}
		return refused
	case err != nil && !errors.Is(err, exec.ErrWaitDelay): // what it has left behind may be the job
		return e.missing(err)
	}
	found := e.recipe.id.FindSubmatch(out.text)
	if found == nil {
		return sdk.Errorf(sdk.KindResource, "", "executor %s: %s printed no number of a job that %q matches: %q", e.name, argv[0], e.recipe.id, said).
			WithHint("a job that it has submitted cannot be cancelled: look into the queue, and correct id")
	}
	e.mu.Lock()
	t.ID = string(found[1])
	e.mu.Unlock()
	return nil
}

// failed begins the line that a script writes into its log when plume failed on its node.
const failed = "plume failed"

// called waits for the call of a job. Of a job that fails before it can call, the log says
// so, where its file can be read here.
func (e *Executor) called(ctx context.Context, t *try, call <-chan net.Conn) (net.Conn, error) {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case conn := <-call:
			return conn, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-look.C:
			text, err := ending(t.Log)
			if err != nil || !bytes.Contains(text, []byte(failed)) {
				continue
			}
			said := strings.Split(strings.TrimSpace(string(text)), "\n")
			return nil, sdk.Errorf(sdk.KindResource, "", "executor %s: job %s ended before it called back: %s", e.name, t.ID, strings.Join(said, "; ")).
				WithHint("%s must be on the nodes, and they must reach this machine", e.plume)
		}
	}
}

// cancel cancels a job. It does not wait: the command goes on if this program ends.
func (e *Executor) cancel(t *try) {
	if t.ID == "" {
		return
	}
	command := launch.Grouped(context.Background(), e.recipe.words(e.recipe.Cancel, t))
	if command.Start() == nil {
		e.ends.Go(func() { _ = command.Wait() })
	}
}

// mostSaid is how much is read of what a command of an engine or a job has printed, which may be
// without end.
const mostSaid = 1 << 20

// beginning is the first mostSaid bytes of what is written to it.
type beginning struct{ text []byte }

// Write implements io.Writer.
func (b *beginning) Write(p []byte) (int, error) {
	b.text = append(b.text, p[:min(len(p), mostSaid-len(b.text))]...)
	return len(p), nil
}

// ending returns the last mostSaid bytes of a file.
func ending(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(f, max(0, size-mostSaid), mostSaid))
}

// lastLine returns the last line of a text that is not empty.
func lastLine(text []byte) string {
	all := strings.TrimSpace(string(text))
	return strings.TrimSpace(all[strings.LastIndexByte(all, '\n')+1:])
}

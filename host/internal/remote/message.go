package remote

import (
	"bytes"
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/plume-da/plume/host/internal/launch"
)

const (
	// protocol is the version of the messages.
	protocol = 1
	// mark begins a line of a node. Anything else that a launcher prints there, such as
	// the greeting of a machine, is for the log.
	mark = "plume-node "
)

// Variables for tests.
var (
	beat    = 3 * time.Second  // between two signs of life
	silence = 15 * time.Second // without any: the node is lost
	lease   = 15 * time.Second // without a connection of the host: the plugin is ended
)

// message is what one end says to the other. Exactly one field is set.
type message struct {
	Run       *request     `json:"run,omitempty"`       // host: the first message
	Terminate bool         `json:"terminate,omitempty"` // host: the plugin is asked to end
	Hello     *hello       `json:"hello,omitempty"`     // node: the answer to the first message
	Handshake string       `json:"handshake,omitempty"` // node: the first line of the plugin
	Output    *string      `json:"output,omitempty"`    // node: a line that the plugin wrote
	Alive     bool         `json:"alive,omitempty"`     // node: from time to time
	Exit      *launch.Exit `json:"exit,omitempty"`      // node: the last message
}

// request says what a node runs.
type request struct {
	Protocol    int
	Name        string // of the plugin
	Command     []string
	Dir         string
	Env         []string
	Peer        bool     // it is not a plugin: it writes a checkpoint before it ends
	Certificate string   // of the host, PEM
	Cores       int      // that the plugin may use; 0: all that it finds
	Hosts       []string // addresses of the host
	Interface   string   // network interface to listen on; empty: the one towards the host
	Ports       string   // FROM-TO; empty: any
}

// hello says where a plugin runs and what it has been granted there.
type hello struct {
	Protocol int    `json:"protocol"`
	Plume    string `json:"plume"` // its version
	launch.Place
}

// sender writes messages, each on a line, from several goroutines.
type sender struct {
	mu   sync.Mutex
	to   io.Writer
	mark string
}

func (s *sender) send(m message) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.to.Write(append(append([]byte(s.mark), text...), '\n'))
	return err
}

// parse returns the message of a line of a node, or false if it is none.
func parse(line []byte) (m message, ok bool) {
	text, ok := bytes.CutPrefix(line, []byte(mark))
	return m, ok && json.Unmarshal(text, &m) == nil
}

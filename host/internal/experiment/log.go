package experiment

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/plume-da/plume/host/internal/launch"
)

// logFile stores the messages of plugins: in memory until the run has a directory, then in
// a file with one JSON object per line. The size of the messages of each plugin is bounded,
// so that a plugin that writes a message in every step cannot fill the disk.
type logFile struct {
	mu    sync.Mutex
	early [][]byte
	file  *os.File
	err   error
	room  map[string]int // bytes that are left, by plugin that has said something
}

const (
	logBytes  = 16 << 20 // of one plugin
	lineBytes = 64 << 10
)

type logLine struct {
	Time    time.Time         `json:"time"`
	Plugin  string            `json:"plugin"`
	Level   string            `json:"level"`
	Message string            `json:"message"`
	Fields  map[string]string `json:"fields,omitempty"`
}

func (l *logFile) record(r launch.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left, known := l.room[r.Plugin]
	if !known {
		left = logBytes
	}
	if left <= 0 {
		return
	}
	line := encoded(r)
	if left -= len(line); left <= 0 {
		line = encoded(launch.Record{Plugin: r.Plugin, Level: "warn", Message: fmt.Sprintf("the log of this plugin has reached %d MiB; what follows is not kept", logBytes>>20)})
	}
	l.room[r.Plugin] = left
	if l.file == nil {
		l.early = append(l.early, line)
		return
	}
	l.write(line)
}

// encoded returns r as a line of the file. A long one is cut, and has no fields.
func encoded(r launch.Record) []byte {
	line := logLine{time.Now().UTC(), r.Plugin, r.Level, r.Message, r.Fields}
	text, err := json.Marshal(line)
	if err != nil || len(text) > lineBytes {
		most := min(len(r.Message), lineBytes/8) // a byte may take six
		line.Message, line.Fields = fmt.Sprintf("%s... (%d bytes)", r.Message[:most], len(text)), nil
		text, _ = json.Marshal(line) // strings can be encoded
	}
	return append(text, '\n')
}

// write appends a line; the first failure is kept for close.
func (l *logFile) write(line []byte) {
	if _, err := l.file.Write(line); err != nil && l.err == nil {
		l.err = err
	}
}

func (l *logFile) open(path string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	if l.file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW, 0o644); err != nil {
		return err
	}
	for _, line := range l.early {
		l.write(line)
	}
	l.early = nil
	return nil
}

func (l *logFile) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	if err := l.file.Close(); err != nil {
		return err
	}
	return l.err
}

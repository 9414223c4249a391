//go:build !linux

package rpc

import "errors"

// features lists the optional parts of the protocol that plugins support.
func features() []string {
	return []string{featureSeries, featureGrid, featureOrigins, featureNumbers, featureSingle}
}

func pause() {}

func newMemory(string) (*memory, string, func(), error) { return nil, "", nil, errors.ErrUnsupported }

func openMemory(string, string) (*memory, error) { return nil, errors.ErrUnsupported }

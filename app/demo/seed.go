package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"usher/directory"
	"usher/directory/file"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

var (
	errFilled    = errors.New("the directory is not empty")
	errNotLoaded = errors.New("it is not loaded")
)

// seed writes the demo's directory to an empty bucket. It does not change a bucket with
// entries: the user may have edited them.
func (d *Directory) seed(ctx context.Context, s *kv.Store) error {
	err := await(ctx, func() error {
		if s.Snapshot() == nil {
			return errNotLoaded
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("the bucket of the directory: %w", err)
	}
	entries, err := d.entries(time.Now().UTC().Truncate(time.Second))
	if err != nil {
		return err
	}
	_, err = s.Change(ctx, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		if s.Size() != (directory.Size{}) {
			return nil, errFilled
		}
		return entries, nil
	})
	if errors.Is(err, errFilled) {
		return nil
	}
	return err
}

// defaultKeyID is the ID of each key.
const defaultKeyID = "default"

// entries returns the entries of the demo's directory, created at now.
func (d *Directory) entries(now time.Time) ([]directory.Entry, error) {
	records, _, err := file.Parse(FileDemo, d.directory())
	if err != nil {
		return nil, err
	}
	made := directory.Made{Created: now, Modified: now}
	for i := range records.Users {
		u := &records.Users[i]
		u.Made = made
		for j := range u.Keys { // the demo has only API keys
			u.Keys[j].ID, u.Keys[j].Created = defaultKeyID, now
		}
	}
	for i := range records.Projects {
		p := &records.Projects[i]
		p.Made = made
		for j := range p.Topics {
			p.Topics[j].Created = now
		}
		for j := range p.Subscriptions {
			p.Subscriptions[j].Created = now
		}
	}
	s, err := snapshot.New(records)
	if err != nil {
		return nil, err
	}
	return slices.Collect(s.Entries()), nil
}

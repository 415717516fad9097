package file

import (
	"errors"
	"fmt"
	"io"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/ownedfile"
	"usher/internal/strictyaml"
)

// Parse decodes the text of a directory. The error is strictyaml.Errors; the
// records then hold what could be decoded, with every index as in the file.
// Whether the records make a directory is for snapshot.New to say.
func Parse(file string, data []byte) (directory.Records, *strictyaml.Source, error) {
	var doc document
	src, err := strictyaml.Decode(file, data, &doc)
	return doc.records(), src, err
}

// Load reads and checks the directory at path. A fault of its content is
// strictyaml.Errors with every one of them, of the form and of the directory.
func Load(path string) (*snapshot.Snapshot, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	return load(path, data)
}

// read reads a file up to one byte more than Decode accepts.
func read(path string) (data []byte, err error) {
	f, _, err := ownedfile.Open(path, ownedfile.Rule{}) // it says who gets in
	if err != nil {
		return nil, fmt.Errorf("read directory: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err = io.ReadAll(io.LimitReader(f, strictyaml.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read directory: %w", err)
	}
	return data, nil
}

func load(path string, data []byte) (*snapshot.Snapshot, error) {
	records, src, err := Parse(path, data)
	var faults strictyaml.Errors
	if err != nil && !errors.As(err, &faults) {
		return nil, err
	}
	if len(faults) == 0 && !src.Has("users") && !src.Has("projects") {
		// Most likely the file is just being written. Taking it for a directory
		// without users would refuse everybody for good.
		faults = strictyaml.Errors{src.Errorf("", "a directory without anybody is written as users: []", "the file is empty")}
	}
	at := placesOf(faults, src)
	if !complete(records, at) {
		return nil, faults
	}
	snapshot, err := snapshot.New(records)
	var problems directory.Problems
	if err != nil && !errors.As(err, &problems) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	// The records of a faulty file may make a snapshot: of what could be decoded.
	for _, p := range problems {
		if !at.cover(p.Path) {
			faults = append(faults, src.Errorf(p.Path, p.Hint, "%s", p.Message))
		}
	}
	if len(faults) > 0 {
		faults.Sort()
		return nil, faults
	}
	return snapshot, nil
}

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
// Parse does not check the rules of a directory; snapshot.New does.
func Parse(file string, data []byte) (directory.Records, *strictyaml.Source, error) {
	var doc document
	src, err := strictyaml.Decode(file, data, &doc)
	return doc.records(), src, err
}

// Load reads and checks the directory at path. If its content has faults, the error is
// strictyaml.Errors with all of them, those of the YAML and those of the directory.
func Load(path string) (*snapshot.Snapshot, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	return load(path, data)
}

// read reads at most one byte more than strictyaml.Decode accepts.
func read(path string) (data []byte, err error) {
	f, _, err := ownedfile.Open(path, ownedfile.Rule{}) // the file decides who may connect
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
		// Most likely the file is being written. Loading it as a directory without users
		// would deny all clients, and clients give up after two denials.
		faults = strictyaml.Errors{src.Errorf("", "write users: [] for a directory without users", "the file is empty")}
	}
	faults = append(faults, inClear(records, src)...)
	faulty := faultyPathsOf(faults, src)
	if !complete(records, faulty) {
		return nil, faults
	}
	loaded, err := snapshot.New(records)
	var problems directory.Problems
	if err != nil && !errors.As(err, &problems) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	// There may be a snapshot even if the file has faults: of what could be decoded.
	for _, p := range problems {
		if !faulty.covers(p.Path) && !faulty.within(p.Path) {
			faults = append(faults, src.Errorf(p.Path, p.Hint, "%s", p.Message))
		}
	}
	if len(faults) > 0 {
		faults.Sort()
		return nil, faults
	}
	return loaded, nil
}

// inClear lists the authorization headers in clear. Only an import takes them: it seals them.
func inClear(records directory.Records, src *strictyaml.Source) (all strictyaml.Errors) {
	for i := range records.Projects {
		for j := range records.Projects[i].Subscriptions {
			p := records.Projects[i].Subscriptions[j].Push
			if p != nil && p.Authorization != nil && p.Authorization.Header != "" {
				path := fmt.Sprintf("projects[%d].subscriptions[%d].push.authorization.header", i, j)
				all = append(all, src.Errorf(path, "import the file into a directory in NATS, which seals the header", "a directory file cannot have a header in clear"))
			}
		}
	}
	return all
}

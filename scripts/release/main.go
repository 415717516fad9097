// Command release makes what goreleaser cannot make with Go alone, and tries a release
// without goreleaser, which takes ten minutes to build (docs/adr/0027-deployment.md).
//
//	release files                               completions, into bin/release
//	release sbom [options] PROGRAM FILE         an SBOM (CycloneDX) of a program
//	release image [options] DIST FILE           a container image, as an OCI layout in a tar file
//	release check                               a release for linux/amd64, twice, compared and tried
//
// It needs Go, git and, for release check, dpkg-deb. It makes nothing that depends on the
// time, the machine or the folder.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release: "+err.Error())
		os.Exit(1)
	}
}

// Release is what everything in a release says about itself.
type Release struct {
	Version  string
	Revision string
	Date     time.Time // of the commit
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("usage: release files | sbom | image | check")
	}
	root, err := filepath.Abs("../..") // of usher: go run -C scripts/release
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	var r Release
	flags.StringVar(&r.Version, "version", "0.0.0", "version of usher")
	flags.StringVar(&r.Revision, "revision", "", "commit")
	date := flags.String("date", "1970-01-01T00:00:00Z", "date of the commit, as of RFC 3339")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if r.Date, err = time.Parse(time.RFC3339, *date); err != nil {
		return err
	}
	r.Date = r.Date.UTC()
	switch rest := flags.Args(); {
	case args[0] == "files" && len(rest) == 0:
		return writeFiles(root)
	case args[0] == "sbom" && len(rest) == 2:
		return writeSBOM(&r, rest[0], rest[1])
	case args[0] == "image" && len(rest) == 2:
		programs, err := programsIn(rest[0])
		if err != nil {
			return err
		}
		return writeImage(&r, programs, rest[1])
	case args[0] == "check" && len(rest) == 0:
		return check(root)
	default:
		return fmt.Errorf("wrong arguments: %q", args)
	}
}

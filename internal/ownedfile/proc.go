package ownedfile

import (
	"path/filepath"
	"strings"
)

// kernelFolder has links in the folders of processes that lead wherever the process
// has something open, or to what it sees as its root. Their text says nothing of the
// way there, and they belong to root where the process does.
const kernelFolder = "/proc/"

// ofProcess reports a link below the folder of a process. The links of the folder
// itself, such as "self", are as any other.
func ofProcess(link string) bool {
	rest, below := strings.CutPrefix(link, kernelFolder)
	return below && strings.Contains(rest, "/")
}

// ownDescriptor reports what the shell hands over for "<(command)": /dev/fd/N, which
// leads there.
func (s *system) ownDescriptor(link string) bool {
	self, err := s.readlink(kernelFolder + "self")
	return err == nil && filepath.Dir(link) == kernelFolder+self+"/fd"
}

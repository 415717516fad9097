//go:build !unix

package keyring

import "os"

// ownerOf knows of no owners here, as CheckMode knows of no modes.
func ownerOf(os.FileInfo) (uid int, ok bool) { return 0, false }

func give(*os.File) error { return nil }

func giveDir(string) error { return nil }

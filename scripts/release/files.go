package main

import (
	"os"
	"os/exec"
	"path/filepath"
)

// writeFiles writes the files of a release that a program makes: completions.
func writeFiles(root string) error {
	program := filepath.Join(root, "bin", "release", "usher")
	build := exec.Command("go", "build", "-o", program, "./cmd/usher")
	build.Dir, build.Stderr = root, os.Stderr
	if err := build.Run(); err != nil {
		return err
	}
	return writeCompletions(program, filepath.Join(root, "bin", "release", "completions"))
}

func writeCompletions(program, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		text, err := exec.Command(program, "completion", shell).Output()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "usher."+shell), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

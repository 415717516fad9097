// Command signer is the signing program of the tests. It signs standard input with a
// seed file, in place of a program that calls a KMS, or fails in various ways.
package main

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/nats-io/nkeys"
)

func main() {
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

func run(mode string, args []string) error {
	switch mode {
	case "fail": // with a very long error message
		return fmt.Errorf("vault is sealed: %s\n%s", args[0], strings.Repeat("x", 1<<20))
	case "silent": // without reading standard input
		return nil
	case "flood":
		for {
			if _, err := os.Stdout.WriteString("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"); err != nil {
				return err
			}
		}
	case "hang":
		return hang(args)
	case "wait": // for a child process that hangs
		c := exec.Command(os.Args[0], append([]string{"hang"}, args...)...)
		c.Stdout, c.Stderr = os.Stdout, os.Stderr
		return c.Run()
	case "leave": // a child process behind that holds the pipes open
		c := exec.Command(os.Args[0], append([]string{"hang"}, args[1:]...)...)
		c.Stdout, c.Stderr = os.Stdout, os.Stderr
		ready, signalReady, err := os.Pipe()
		if err != nil {
			return err
		}
		c.ExtraFiles = []*os.File{signalReady}
		if err := c.Start(); err != nil {
			return err
		}
		if _, err := ready.Read(make([]byte, 1)); err != nil {
			return err
		}
		return sign("base64", args[0])
	default:
		return sign(mode, args[0])
	}
}

// hang connects to an address if one is given, signals its parent if there is a pipe
// for that, and then blocks forever. It ignores SIGTERM.
func hang(args []string) error {
	signal.Ignore(syscall.SIGTERM, os.Interrupt)
	if len(args) > 0 {
		c, err := net.Dial("tcp", args[0])
		if err != nil {
			return err
		}
		defer c.Close()
	}
	_, _ = os.NewFile(3, "ready").Write([]byte{1}) // the first of ExtraFiles, if there is one
	select {}
}

func sign(form, file string) error {
	seed, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	kp, err := nkeys.FromSeed([]byte(strings.TrimSpace(string(seed))))
	if err != nil {
		return err
	}
	data, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	signature, err := kp.Sign(data)
	if err != nil {
		return err
	}
	text := string(signature)
	switch form {
	case "raw":
	case "rawline":
		text += "\n"
	case "base64":
		text = base64.StdEncoding.EncodeToString(signature)
	case "lines":
		text = "\n" + base64.StdEncoding.EncodeToString(signature) + "\r\n\n"
	case "url":
		text = base64.RawURLEncoding.EncodeToString(signature)
	case "hex":
		text = hex.EncodeToString(signature)
	case "short":
		text = base64.StdEncoding.EncodeToString(signature[:63])
	case "vault":
		text = "vault:v1:" + base64.StdEncoding.EncodeToString(signature)
	case "warn":
		fmt.Fprintln(os.Stderr, "a warning")
		text = base64.StdEncoding.EncodeToString(signature)
	case "modified":
		signature[0] ^= 1
		text = base64.StdEncoding.EncodeToString(signature)
	}
	_, err = os.Stdout.WriteString(text)
	return err
}

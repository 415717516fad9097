// Command protogen makes the Go code of a .proto file, with protoc-gen-go and
// protoc-gen-go-grpc in the versions that go.mod pins, and without protoc:
//
//	go -C scripts/protogen run . ../../tokens/automate/automatepb authn.proto
//
// It is a module of its own, so that usher does not depend on a compiler.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: protogen DIR FILE.proto...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "protogen:", err)
		os.Exit(1)
	}
}

func run(dir string, names []string) error {
	compiler := protocompile.Compiler{
		Resolver:       &protocompile.SourceResolver{ImportPaths: []string{dir}},
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(context.Background(), names...)
	if err != nil {
		return err
	}
	services := false
	var protos []*descriptorpb.FileDescriptorProto
	for _, f := range files {
		protos = append(protos, protoutil.ProtoFromFileDescriptor(f))
		services = services || f.Services().Len() > 0
	}
	request, err := proto.Marshal(&pluginpb.CodeGeneratorRequest{
		FileToGenerate: names, ProtoFile: protos, Parameter: proto.String("paths=source_relative"),
	})
	if err != nil {
		return err
	}
	plugins := []string{"google.golang.org/protobuf/cmd/protoc-gen-go"}
	if services {
		plugins = append(plugins, "google.golang.org/grpc/cmd/protoc-gen-go-grpc")
	}
	for _, plugin := range plugins {
		if err := generate(dir, plugin, request); err != nil {
			return fmt.Errorf("%s: %w", plugin, err)
		}
	}
	return nil
}

// generate runs a plugin of protoc and writes the files that it answers with.
func generate(dir, plugin string, request []byte) error {
	cmd := exec.Command("go", "run", plugin)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(request), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	var response pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(out, &response); err != nil {
		return err
	}
	if response.Error != nil {
		return fmt.Errorf("%s", response.GetError())
	}
	for _, f := range response.File {
		if err := os.WriteFile(filepath.Join(dir, f.GetName()), []byte(f.GetContent()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

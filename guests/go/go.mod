module example.org/words

go 1.24

tool github.com/wxec/wxec/sdk/go/cmd/wxecbuild

require github.com/wxec/wxec/sdk/go v0.0.0

replace github.com/wxec/wxec/sdk/go => ../../sdk/go

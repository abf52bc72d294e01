use wxec::remote;

struct Result<T>(T);

#[remote]
fn no_result() -> Result<u8> {
    Result(1)
}

fn main() {}

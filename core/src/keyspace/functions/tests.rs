use super::*;
use alloc::string::String;
use alloc::vec;
use quickcheck::quickcheck;

fn parse(code: &str) -> Result<Library, String> {
    Library::parse(code.as_bytes(), Trust::None).map_err(|text| String::from_utf8(text).expect("text"))
}

fn names(code: &str) -> Vec<String> {
    let library = parse(code).expect("a sound library");
    library.functions().iter().map(|function| String::from_utf8_lossy(&function.name).into_owned()).collect()
}

#[test]
fn first_lines_are_refused_in_the_words_of_redis() {
    let call = "redis.register_function('f', g)";
    for (line, want) in [
        ("noshebang\n", "ERR Missing library metadata"),
        ("#!lua name=a", "ERR Invalid library metadata"),
        ("#!lua name=\"a\n", "ERR Invalid library metadata"),
        ("#!lua \n", "ERR Library name was not given"),
        ("#!lua name=a name=b\n", "ERR Invalid metadata value, name argument was given multiple times"),
        ("#!lua foo=a\n", "ERR Invalid metadata value given: foo=a"),
        ("#! lua name=aa\n", "ERR Invalid metadata value given: lua"),
        ("#!js name=a\n", "ERR Engine 'js' not found"),
        ("#! name=a\n", "ERR Engine '' not found"),
    ] {
        let code = if line.ends_with('\n') { [line, call].concat() } else { line.into() };
        assert_eq!(parse(&code).map(|_| ()), Err(want.into()), "{line}");
    }
    for line in ["#!lua name=\n", "#!lua name=a-b\n", "#!lua name=\"a b\"\n"] {
        assert_eq!(parse(line).map(|_| ()), Err(std::format!("ERR {BAD_NAME}")), "{line}");
    }
    for line in ["#!lua name=a\n", "#!LUA NAME=a\n", "#!lua  name='a'\n"] {
        assert_eq!(parse(&[line, call].concat()).map(|library| library.name().to_vec()), Ok(b"a".to_vec()), "{line}");
    }
}

#[test]
fn both_forms_of_the_call_are_found() {
    let code = "#!lua name=l\nredis.register_function('a', function() return 1 end)\n\
                server . register_function ( \"b\" , g )\nredis.register_function{function_name='c', callback=g}\n\
                redis.register_function({callback=function(x) return {function_name='no'} end; function_name = [[d]],\n\
                flags={'no-writes', 'allow-stale'}, description='what\\n it\\'s\\065 for'})";
    let library = parse(code).expect("a sound library");
    let last = Function {
        name: b"d".to_vec(),
        description: Some(b"what\n it'sA for".to_vec()),
        flags: vec![b"no-writes".to_vec(), b"allow-stale".to_vec()],
    };
    assert_eq!(names(code), ["a", "b", "c", "d"]);
    assert_eq!(library.functions().last(), Some(&last));
}

#[test]
fn what_is_computed_or_no_code_is_left_out() {
    for rest in [
        "redis.register_function(name, g)",
        "redis.register_function('a' .. 'b', g)",
        "redis.register_function{function_name='a' .. 'b', callback=g}",
        "local r = redis.register_function r('a', g)",
        "-- redis.register_function('a', g)\nredis.register_function(n, g)",
        "--[==[ redis.register_function('a', g) ]] ]==]redis.register_function(n, g)",
        "local s = [[redis.register_function('a', g)]] .. \"redis.register_function('a', g)\" redis.register_function(n)",
        "other.register_function('a', g)",
    ] {
        assert!(names(&["#!lua name=l\n", rest].concat()).is_empty(), "{rest}");
    }
    for rest in ["", "return 1", "-- redis.register_function('a', g)"] {
        let code = ["#!lua name=l\n", rest].concat();
        assert_eq!(parse(&code).map(|_| ()), Err("ERR No functions registered".into()), "{rest}");
        assert!(Library::parse(code.as_bytes(), Trust::Loaded).is_ok(), "{rest}");
    }
}

#[test]
fn functions_that_a_server_would_refuse() {
    let prefix = "ERR Error registering functions: ERR ";
    for (rest, why) in [
        ("redis.register_function('a-b', g)", BAD_NAME),
        ("redis.register_function{function_name='a', callback=g, flags={'what'}}", "unknown flag given"),
        ("redis.register_function('a', g) redis.register_function('a', g)", "Function already exists in the library"),
    ] {
        let code = ["#!lua name=l\n", rest].concat();
        assert_eq!(parse(&code).map(|_| ()), Err([prefix, why].concat()), "{rest}");
    }
}

quickcheck! {
    fn any_text_is_read_to_its_end(text: Vec<u8>, marks: Vec<u8>) -> bool {
        const PIECES: [&[u8]; 10] =
            [b"redis.register_function", b"(", b"{", b"[[", b"]=]", b"--", b"'", b"\\", b"[=[", b"function_name="];
        let mut code = b"#!lua name=l\n".to_vec();
        for mark in marks {
            code.extend_from_slice(PIECES[usize::from(mark) % PIECES.len()]);
        }
        code.extend_from_slice(&text);
        Library::parse(&code, Trust::Loaded).is_ok()
    }
}

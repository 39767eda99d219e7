//! What each service may do in Redis, on a real server.

use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand, Value};
use local_stack::acl::render;
use local_stack::binaries::RedisBinary;
use local_stack::ports::free_port;
use local_stack::redis::{Access, RedisOptions, RedisServer};
use local_stack::scratch_dir;
use local_stack::secrets::{ADMIN, Secrets};
use local_stack::services::SERVICES;
use tempfile::TempDir;

struct Fixture {
    _dir: TempDir,
    secrets: Secrets,
    redis: RedisServer,
}

impl Fixture {
    async fn start() -> Self {
        let dir = scratch_dir().unwrap();
        let secrets = Secrets::generate().unwrap();
        let redis = RedisServer::start(RedisOptions {
            binary: RedisBinary::locate().unwrap(),
            dir: dir.path().to_owned(),
            port: free_port().unwrap(),
            access: Access::Users {
                acl: render(&secrets).unwrap(),
                admin_password: secrets.redis_password(ADMIN).unwrap().to_owned(),
            },
            more: Vec::new(),
        });
        Self { redis: redis.await.unwrap(), _dir: dir, secrets }
    }

    /// The client library of the services, signed in as one of them.
    async fn client(&self, user: &str) -> Client {
        let url = self.redis.user_url(user, self.secrets.redis_password(user).unwrap());
        let client = Builder::from_config(Config::from_url(&url).unwrap()).build().unwrap();
        client.init().await.unwrap();
        client
    }
}

async fn run(client: &Client, command: &str) -> Result<Value, Error> {
    let mut words = command.split(' ').map(str::to_owned);
    let name = words.next().unwrap();
    let command = CustomCommand::new(name, ClusterHash::FirstKey, false);
    client.custom(command, words.collect::<Vec<_>>()).await
}

async fn allowed(client: &Client, command: &str) -> Value {
    run(client, command).await.unwrap_or_else(|error| panic!("{command}: {error}"))
}

async fn refused(client: &Client, command: &str) {
    let error = run(client, command).await.expect_err(command);
    let text = error.to_string();
    // A script tells what its own command was refused in other words.
    assert!(
        text.contains("NOPERM") || text.contains("The user executing the script can't"),
        "{command}: {text}"
    );
}

#[tokio::test]
async fn a_service_does_what_it_needs_with_its_own_streams() {
    let fixture = Fixture::start().await;
    let post = fixture.client("post").await;

    allowed(&post, "XADD ev:{post.p0}:e1 1-0 field value").await;
    allowed(&post, "XINFO STREAM ev:{post.p0}:e1").await;
    allowed(&post, "XTRIM ev:{post.p0}:e1 MINID 1-0").await;
    allowed(&post, "MEMORY USAGE ev:{post.p0}:e1").await;
    let script = "return redis.call('XADD',KEYS[1],'2-0','a','b')";
    let keys: Vec<&str> = vec!["ev:{post.p0}:e1"];
    let id: String = post.eval(script, keys.clone(), Vec::<String>::new()).await.unwrap();
    let loaded: String = post.script_load(script.replace("2-0", "3-0")).await.unwrap();
    let again: String = post.evalsha(loaded, keys, Vec::<String>::new()).await.unwrap();
    let length = allowed(&post, "XLEN ev:{post.p0}:e1").await;
    allowed(&post, "DEL ev:{post.p0}:e1").await;

    assert_eq!((id.as_str(), again.as_str()), ("2-0", "3-0"));
    assert_eq!(length.as_i64(), Some(3));
}

#[tokio::test]
async fn a_service_reads_anothers_stream_in_its_own_group() {
    let fixture = Fixture::start().await;
    let (post, engagement) = (fixture.client("post").await, fixture.client("engagement").await);
    allowed(&post, "XADD ev:{post.p0}:e1 1-0 field value").await;

    for command in [
        "XGROUP CREATE ev:{post.p0}:e1 engagement 0-0 MKSTREAM ENTRIESREAD 0",
        "XREADGROUP GROUP engagement a COUNT 10 STREAMS ev:{post.p0}:e1 >",
        "XPENDING ev:{post.p0}:e1 engagement",
        "XACK ev:{post.p0}:e1 engagement 1-0",
        "XGROUP SETID ev:{post.p0}:e1 engagement 0",
        "XAUTOCLAIM ev:{post.p0}:e1 engagement b 0 0",
        "XCLAIM ev:{post.p0}:e1 engagement b 0 1-0",
        "XREAD STREAMS ev:{post.p0}:e1 0",
        "XRANGE ev:{post.p0}:e1 - +",
        "XREVRANGE ev:{post.p0}:e1 + -",
        "XLEN ev:{post.p0}:e1",
        "XINFO GROUPS ev:{post.p0}:e1",
        "TYPE ev:{post.p0}:e1",
        "EXISTS ev:{post.p0}:e1",
    ] {
        allowed(&engagement, command).await;
    }
}

#[tokio::test]
async fn a_service_cannot_write_anothers_stream() {
    let fixture = Fixture::start().await;
    let (post, engagement) = (fixture.client("post").await, fixture.client("engagement").await);
    allowed(&post, "XADD ev:{post.p0}:e1 1-0 field value").await;
    allowed(&post, "XGROUP CREATE ev:{post.p0}:e1 moderation 0").await;

    for command in [
        "XADD ev:{post.p0}:e1 2-0 field forged",
        "XDEL ev:{post.p0}:e1 1-0",
        "XTRIM ev:{post.p0}:e1 MAXLEN 0",
        "XSETID ev:{post.p0}:e1 9-0",
        "DEL ev:{post.p0}:e1",
        "UNLINK ev:{post.p0}:e1",
        "EXPIRE ev:{post.p0}:e1 1",
        "XGROUP DESTROY ev:{post.p0}:e1 moderation",
        "EVAL return{} 1 ev:{post.p0}:e1",
        "EVAL redis.call('XADD','ev:{post.p0}:e1','*','a','b') 0",
        "EVAL redis.call('XADD','ev:{post.p0}:e1','*','a','b') 1 ev:{engagement.p0}:e1",
        "SET rl:somebody 1",
    ] {
        refused(&engagement, command).await;
    }
    assert_eq!(allowed(&post, "XLEN ev:{post.p0}:e1").await.as_i64(), Some(1));
}

#[tokio::test]
async fn a_consumer_tells_a_producer_something_and_learns_nothing_of_what_others_said() {
    let fixture = Fixture::start().await;
    let (post, gateway) = (fixture.client("post").await, fixture.client("gateway").await);

    for user in ["engagement", "gateway"] {
        let consumer = fixture.client(user).await;
        allowed(&consumer, "XADD ctl:{post} MAXLEN ~ 10000 * k watermark d {}").await;
        for command in [
            "XRANGE ctl:{post} - +",
            "XREAD STREAMS ctl:{post} 0",
            "XTRIM ctl:{post} MAXLEN 0",
            "DEL ctl:{post}",
            "SET ctl:{post}:layout {}",
        ] {
            refused(&consumer, command).await;
        }
    }
    for command in [
        "XREAD STREAMS ctl:{post} 0",
        "XREVRANGE ctl:{post} + - COUNT 1",
        "XTRIM ctl:{post} MAXLEN ~ 100",
        "SET ctl:{post}:layout {}",
    ] {
        allowed(&post, command).await;
    }
    allowed(&gateway, "GET ctl:{post}:layout").await;
    assert_eq!(allowed(&post, "XLEN ctl:{post}").await.as_i64(), Some(2));
}

#[tokio::test]
async fn a_reader_consumes_what_a_producer_wrote_for_him_and_cannot_add_to_it() {
    let fixture = Fixture::start().await;
    let (post, gateway) = (fixture.client("post").await, fixture.client("gateway").await);
    let script = "return redis.call('XADD',KEYS[1],'1-0','a','b')";
    let keys: Vec<&str> = vec!["catchup:{post.p0}:gateway:run"];
    let _: String = post.eval(script, keys, Vec::<String>::new()).await.unwrap();

    for command in
        ["EXPIRE catchup:{post.p0}:gateway:run 60", "XINFO STREAM catchup:{post.p0}:gateway:run"]
    {
        allowed(&post, command).await;
    }
    refused(&gateway, "XADD catchup:{post.p0}:gateway:run 2-0 field forged").await;
    for command in [
        "XREAD STREAMS catchup:{post.p0}:gateway:run 0",
        "XTRIM catchup:{post.p0}:gateway:run MINID 1-0",
        "XLEN catchup:{post.p0}:gateway:run",
        "DEL catchup:{post.p0}:gateway:run",
    ] {
        allowed(&gateway, command).await;
    }
}

#[tokio::test]
async fn the_gateway_counts_requests_and_reads_events() {
    let fixture = Fixture::start().await;
    let (post, gateway) = (fixture.client("post").await, fixture.client("gateway").await);
    allowed(&post, "XADD ev:{post.p0}:e1 1-0 field value").await;

    let script = "redis.call('SET',KEYS[1],ARGV[1],'PX',1000) return redis.call('GET',KEYS[1])";
    let count: String = gateway.eval(script, vec!["rl:anonymous"], vec!["7"]).await.unwrap();
    allowed(&gateway, "XREAD STREAMS ev:{post.p0}:e1 0").await;
    refused(&gateway, "XADD ev:{post.p0}:e1 2-0 field forged").await;
    refused(&gateway, "XADD ev:{gateway.p0}:e1 1-0 field value").await;

    assert_eq!(count, "7");
}

#[tokio::test]
async fn every_user_may_ask_about_the_server_and_none_may_command_it() {
    let fixture = Fixture::start().await;

    for service in &SERVICES {
        let client = fixture.client(service.name).await;
        for command in
            ["PING", "INFO", "TIME", "CLIENT ID", "CLIENT SETNAME x", "CONFIG GET maxmemory-policy"]
        {
            allowed(&client, command).await;
        }
        for command in [
            "FLUSHALL",
            "KEYS *",
            "CONFIG SET maxmemory 1",
            "ACL LIST",
            "SHUTDOWN",
            "SCRIPT FLUSH",
            "CLIENT KILL ID 1",
            "CLIENT PAUSE 1",
            "CLUSTER INFO",
            "GET anything",
            "PUBLISH channel message",
            "MEMORY PURGE",
        ] {
            refused(&client, command).await;
        }
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_password() {
    let fixture = Fixture::start().await;
    let url = format!("redis://127.0.0.1:{}", fixture.redis.port());
    let client = Builder::from_config(Config::from_url(&url).unwrap()).build().unwrap();

    let signed_in = client.init().await;
    let answered = match signed_in {
        Ok(_) => run(&client, "PING").await.map(|_| ()),
        Err(error) => Err(error),
    };

    assert!(answered.unwrap_err().to_string().contains("NOAUTH"));
}

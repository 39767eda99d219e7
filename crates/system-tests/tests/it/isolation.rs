//! No service reaches into another: the database and Redis enforce it.

use fred::{
    interfaces::{ClientLike, StreamsInterface},
    types::{Builder, config::Config},
};
use sea_orm::{ConnectionTrait, Database};

use crate::world::World;

const SERVICES: [&str; 6] = ["auth", "post", "interaction", "moderation", "engagement", "minting"];

#[tokio::test(flavor = "multi_thread")]
async fn a_service_reads_its_own_schema_and_writes_its_own_streams_only() {
    let world = World::start().await;

    for role in SERVICES {
        let db = Database::connect(world.stack.postgres_url(role).unwrap()).await.unwrap();
        for schema in SERVICES {
            let read = db.execute_unprepared(&format!("SELECT count(*) FROM {schema}.event")).await;
            assert_eq!(read.is_ok(), role == schema, "{role} reads {schema}: {read:?}");
        }
    }
    for user in SERVICES {
        let config = Config::from_url(&world.stack.redis_url(user).unwrap()).unwrap();
        let redis = Builder::from_config(config).build().unwrap();
        redis.init().await.unwrap();
        for service in SERVICES {
            // An id below everything that is there: what is allowed fails later than what is not.
            let key = format!("ev:{{{service}.p0}}:e1");
            let write: Result<String, _> =
                redis.xadd(key, false, None, "0-0", vec![("i", "x")]).await;
            let details = write.err().unwrap().details().to_owned();
            assert_eq!(
                details.starts_with("NOPERM"),
                user != service,
                "{user} writes {service}: {details}"
            );
        }
    }
    world.stack.stop().await.unwrap();
}
